# Flattens the YAML of a NoCloud seed to lines "path/to/key value", one per scalar, list items under their key.
# Reads what network-config version 2 and meta-data need: nested block maps, block lists (indented or not),
# flow lists and flow maps of one line, quoted scalars, comments. No anchors, no multi-line scalars.

function trim(text) {
    gsub(/^[ \t]+|[ \t\r]+$/, "", text)
    return text
}

function unquote(text) {
    text = trim(text)
    if (text ~ /^".*"$/ || text ~ /^'.*'$/)
        return substr(text, 2, length(text) - 2)
    return text
}

# A value in flow style: its brackets and braces only group, so every part is a scalar or "key: scalar".
function flow(path, text,    parts, count, i, colon) {
    gsub(/[][{}]/, "", text)
    count = split(text, parts, ",")
    for (i = 1; i <= count; i++) {
        if (trim(parts[i]) == "")
            continue
        colon = index(parts[i], ": ")
        if (colon > 0)
            print path "/" unquote(substr(parts[i], 1, colon - 1)), unquote(substr(parts[i], colon + 2))
        else
            print path, unquote(parts[i])
    }
}

function value(path, text) {
    text = trim(text)
    if (text == "")
        return
    if (text ~ /^[[{]/)
        flow(path, text)
    else
        print path, unquote(text)
}

# The key that the list item in column `indent` belongs to: a list may stand in its key's own column.
function owner(indent) {
    while (depth > 0 && columns[depth] > indent)
        depth--
    return depth > 0 ? paths[depth] : ""
}

/^[ \t]*(#|$)/ || /^---/ { next }

{
    line = $0
    sub(/[ \t]+#.*$/, "", line)
    match(line, /^ */)
    column = RLENGTH
    line = trim(line)
    if (line ~ /^-( |$)/) {
        sub(/^- */, "", line)
        if (line !~ /^[A-Za-z0-9_-]+:( |$)/) {
            value(owner(column), line)
            next
        }
        column += 2
    }
    while (depth > 0 && columns[depth] >= column)
        depth--
    colon = match(line, /:( |$)/)
    if (!colon)
        next
    key = unquote(substr(line, 1, colon - 1))
    path = depth > 0 ? paths[depth] "/" key : key
    depth++
    columns[depth] = column
    paths[depth] = path
    value(path, substr(line, colon + 1))
}
