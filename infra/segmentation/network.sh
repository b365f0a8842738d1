#!/bin/sh
# Brings the bridges, tunnels, addresses and packet rules of a host or gateway to what the files beside it say.
# Usage: network.sh apply | check | revert
# `links` lists the devices, one a line; `network.nft` holds the rules, replaced as a whole in one transaction.
# A device of ours carries the alias `kumiai`. What is already as wanted is not touched, so a second run disturbs
# nothing. `check` changes nothing: exit 0 as wanted, 1 there is something to do (one line each). Exit 2: refused.
# What no script can put right is told on standard error. `revert` goes back to what was before the last apply.
set -eu
LC_ALL=C PATH=/usr/sbin:/usr/bin:/sbin:/bin
export LC_ALL PATH
mode=${1:-apply}
folder=$(dirname "$0")
links=$folder/links
rules=$folder/network.nft
all=00:00:00:00:00:00
todo=0

refuse() {
    printf '%s\n' "$1" >&2
    exit 2
}

# change TEXT COMMAND...: the one place where anything is changed.
change() {
    todo=1
    printf '%s\n' "$1"
    shift
    [ "$mode" = check ] || "$@"
}

device() { ip -details -oneline link show dev "$1" 2>/dev/null || true; }

write() { printf '%s\n' "$1" >"$2"; }

# setting NAME VALUE, in the kernel's own tree; one that this kernel does not have needs no value.
setting() {
    [ -e "/proc/sys/$1" ] || return 0
    [ "$(cat "/proc/sys/$1")" = "$2" ] || change "$1 を $2 にする" write "$2" "/proc/sys/$1"
}

# shape NAME MTU MASTER ARP: what every device of ours has; MASTER is - for none, ARP is on or off.
shape() {
    now=$(device "$1")
    [ -n "$now" ] || return 0
    case $now in *" mtu $2 "*) ;; *) change "$1 の MTU を $2 にする" ip link set dev "$1" mtu "$2" ;; esac
    case $now in
    *NOARP*) [ "$4" = off ] || change "$1 の ARP を有効にする" ip link set dev "$1" arp on ;;
    *) [ "$4" = on ] || change "$1 の ARP を無効にする" ip link set dev "$1" arp off ;;
    esac
    case $now in *"alias kumiai"*) ;; *) change "$1 に印を付ける" ip link set dev "$1" alias kumiai ;; esac
    setting "net/ipv6/conf/$1/disable_ipv6" 1
    case "$now " in
    *" master $3 "*) ;;
    *" master "*)
        if [ "$3" = - ]; then
            change "$1 をブリッジから外す" ip link set dev "$1" nomaster
        else
            change "$1 をブリッジ $3 に付ける" ip link set dev "$1" master "$3"
        fi
        ;;
    *) [ "$3" = - ] || change "$1 をブリッジ $3 に付ける" ip link set dev "$1" master "$3" ;;
    esac
    case $now in *[\<,]UP[,\>]*) ;; *) change "$1 を起動する" ip link set dev "$1" up ;; esac
}

# recreate NAME PATTERN TEXT COMMAND...: makes the device unless it is there as the pattern says.
recreate() {
    now=$(device "$1")
    name=$1
    # shellcheck disable=SC2254 # the pattern is one
    case $now in $2) return 0 ;; esac
    case $now in
    '') ;;
    *"alias kumiai"*) change "$name を作り直すために消す" ip link delete dev "$name" ;;
    *) refuse "$name という別の機器があります。名前を変えるか消してから、もう一度実行してください" ;;
    esac
    text=$3
    shift 3
    change "$text" "$@"
}

bridge_() { # NAME MTU
    now=$(device "$1")
    case $now in
    '' | *" bridge "*) ;;
    *) refuse "$1 という、ブリッジでない機器があります。名前を変えるか消してから、もう一度実行してください" ;;
    esac
    [ -n "$now" ] || change "ブリッジ $1 を作る" ip link add name "$1" mtu "$2" type bridge
    shape "$1" "$2" - off
}

vxlan_() { # NAME VNI DEVICE LOCAL MTU MASTER ARP MAC PEERS
    hardware=
    [ "$8" = - ] || hardware="address $8"
    # shellcheck disable=SC2086 # two words, or none
    recreate "$1" "*vxlan id $2 local $4 dev $3 *dstport 4789 *" "VXLAN $1（VNI $2）を作る" \
        ip link add name "$1" mtu "$5" $hardware type vxlan id "$2" local "$4" dev "$3" dstport 4789
    shape "$1" "$5" "$6" "$7"
    heard=$(bridge fdb show dev "$1" 2>/dev/null | sed -n "s/^$all dst \\([^ ]*\\).*/\\1/p" | tr '\n' ' ')
    wanted=$(printf '%s' "$9" | tr ',' ' ')
    for peer in $wanted; do
        case " $heard " in *" $peer "*) continue ;; esac
        change "$1 の相手に $peer を加える" bridge fdb append "$all" dev "$1" dst "$peer"
    done
    for peer in $heard; do
        case " $wanted " in *" $peer "*) continue ;; esac
        change "$1 の相手から $peer を除く" bridge fdb delete "$all" dev "$1" dst "$peer"
    done
}

vlan_() { # NAME VLAN DEVICE MTU MASTER ARP
    recreate "$1" "*$1@$3:*vlan protocol 802.1Q id $2 *" "VLAN $1（$2）を作る" \
        ip link add link "$3" name "$1" mtu "$4" type vlan id "$2"
    shape "$1" "$4" "$5" "$6"
}

underlay_() { # DEVICE MTU
    now=$(device "$1")
    [ -n "$now" ] || refuse "アップリンクの機器 $1 がありません"
    mtu=$(printf '%s\n' "$now" | sed -n 's/.* mtu \([0-9]*\) .*/\1/p')
    [ "$mtu" -ge "$2" ] || refuse "アップリンク $1 の MTU が $mtu です。$2 以上が必要です"
}

address_() { # DEVICE ADDRESS
    heard=$(ip -oneline -4 address show dev "$1" 2>/dev/null | sed -n 's/.* inet \([^ ]*\) .*/\1/p' | tr '\n' ' ')
    for each in $heard; do
        [ "$each" = "$2" ] || change "$1 のアドレス $each を除く" ip address delete "$each" dev "$1"
    done
    case " $heard" in *" $2 "*) ;; *) change "$1 のアドレスを $2 にする" ip address add "$2" dev "$1" ;; esac
    # An address is answered for only on the device that has it.
    setting "net/ipv4/conf/$1/arp_ignore" 1
    setting "net/ipv4/conf/$1/arp_announce" 2
}

route_() { # SUBNET NEXT DEVICE
    case $(ip -oneline -4 route show "$1" proto 107) in
    *" via $2 dev $3"*) ;;
    *) change "$1 への経路を $2 にする" ip route replace "$1" via "$2" dev "$3" proto 107 ;;
    esac
}

listed() { grep -q "^$1 $2\\( \\|\$\\)" "$links"; }

remove_unlisted() {
    ip -4 route show proto 107 | while read -r subnet _; do
        case $subnet in */*) ;; *) subnet=$subnet/32 ;; esac
        listed route "$subnet" || printf '%s\n' "$subnet"
    done >"$work/routes"
    while read -r subnet; do
        change "$subnet への経路を消す" ip route delete "$subnet" proto 107
    done <"$work/routes"
    ip -oneline link show | sed -n 's/^[0-9]*: \([^:@]*\)[:@].*alias kumiai.*/\1/p' >"$work/ours"
    for kind in port bridge; do
        while read -r name; do
            listed "\\(bridge\\|vxlan\\|vlan\\)" "$name" && continue
            now=$(device "$name")
            case $kind:$now in
            port:*" bridge "*) ;;
            bridge:*" bridge "*)
                left=$(ip -oneline link show master "$name" | sed 's/^[0-9]*: \([^:@]*\)[:@].*/\1/' | tr '\n' ' ')
                [ "$mode" != check ] || left=$(only_foreign "$left")
                if [ -n "$left" ]; then
                    printf '計画にないブリッジ %s を残します（ポート %sがあるため。通信は遮断されています）\n' "$name" "$left" >&2
                else
                    change "計画にないブリッジ $name を消す" ip link delete dev "$name"
                fi
                ;;
            port:*) change "計画にない $name を消す" ip link delete dev "$name" ;;
            esac
        done <"$work/ours"
    done
}

# Of these ports, those that are not ours.
only_foreign() {
    for port in $1; do
        grep -qx "$port" "$work/ours" || printf '%s ' "$port"
    done
}

rules_as_printed() { for family in bridge inet; do nft -s list table "$family" kumiai 2>/dev/null || true; done; }

load_rules() {
    nft -c -f "$rules" || refuse "規則を読めません（$rules）"
    # The same program prints the wanted rules in an empty network of its own: like is compared with like.
    unshare --net sh -c 'nft -f "$1" && for f in bridge inet; do nft -s list table "$f" kumiai; done' sh "$rules" \
        >"$work/wanted" 2>/dev/null || true
    [ -s "$work/wanted" ] || refuse "規則を空のネットワークで試せません（unshare --net）"
    # A table of ours that is not wanted here is printed as an error and left out.
    rules_as_printed >"$work/live"
    cmp -s "$work/wanted" "$work/live" && return 0
    change "パケットの規則を入れ替える" nft -f "$rules"
    [ "$mode" = check ] || return 0
    diff "$work/live" "$work/wanted" | sed -n 's/^> */  足りない規則：/p; s/^< */  余分な規則：/p' | head -n 40
}

# Ports that hang on a bridge of ours and have no business there: told, not touched.
tell_strange_ports() {
    ip -oneline link show | awk -v links="$links" '
        BEGIN {
            while ((getline line <links) > 0) {
                count = split(line, word, " ")
                if (word[1] == "port") home[word[2]] = word[3]
                if (word[1] == "bridge") ours[word[2]] = 1
                if (word[1] == "vxlan") home[word[2]] = word[7]
                if (word[1] == "vlan") home[word[2]] = word[6]
            }
        }
        {
            name = $2
            sub(/[:@].*/, "", name)
            master = ""
            for (i = 3; i < NF; i++) if ($i == "master") master = $(i + 1)
            if (master in ours && home[name] != master)
                print "ブリッジ " master " に、計画ではそこにないポート " name " があります（通信は遮断されています）"
            if (name ~ /^kv/ && name in home && master != home[name])
                print "ポート " name " が、計画のブリッジ " home[name] " にありません"
        }' >&2
}

case $mode in
apply | check) ;;
revert)
    if [ ! -f "$folder/before/network.sh" ]; then
        printf '戻す先がありません。いまの設定のままです\n'
        exit 0
    fi
    sh "$folder/before/network.sh" apply
    # Renamed, not written over: this very file is being read.
    for file in links network.nft network.sh; do mv "$folder/before/$file" "$folder/$file"; done
    exit 0
    ;;
*) refuse "使い方：network.sh apply | check | revert" ;;
esac
exec 9>/run/kumiai-network.lock
flock 9
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

while read -r kind rest; do
    # shellcheck disable=SC2086 # a line is a list of words
    [ "$kind" != underlay ] || underlay_ $rest
done <"$links"
# The rules come first: nothing of ours is ever up without them.
load_rules
while read -r kind rest; do
    # shellcheck disable=SC2086 # a line is a list of words
    case $kind in
    underlay | port) ;;
    bridge) bridge_ $rest ;;
    vxlan) vxlan_ $rest ;;
    vlan) vlan_ $rest ;;
    address) address_ $rest ;;
    route) route_ $rest ;;
    setting) setting $rest ;;
    *) refuse "links に知らない種類「$kind」があります" ;;
    esac
done <"$links"
remove_unlisted
tell_strange_ports
if [ "$mode" = check ]; then exit "$todo"; fi
[ "$todo" = 1 ] || printf 'ネットワークは計画のとおりです（変更なし）\n'
