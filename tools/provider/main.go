// Command pulumi-resource-libvirt serves the Python package pulumi-libvirt 0.5.4.
//
// The vendor's own provider module is not served by Go's module proxy and bridges version 0.8.1 of the libvirt
// provider, whose ssh addresses with a port fail. This one bridges 0.8.3 under the same names, with the corrections of
// corrections.json, and dials a host when the first operation needs it (connection.go).
package main

import (
	"fmt"
	"os"

	"github.com/dmacvicar/terraform-provider-libvirt/libvirt"
	"github.com/pulumi/pulumi-terraform-bridge/v3/pkg/tfbridge"
	sdkv2 "github.com/pulumi/pulumi-terraform-bridge/v3/pkg/tfshim/sdk-v2"
	"github.com/pulumi/pulumi/sdk/v3/go/common/tokens"
)

// The version of the Python package that asks for this plugin.
const version = "0.5.4"

func resource(module, name string) *tfbridge.ResourceInfo {
	return &tfbridge.ResourceInfo{Tok: tokens.Type("libvirt:index/" + module + ":" + name)}
}

func function(name string) *tfbridge.DataSourceInfo {
	return &tfbridge.DataSourceInfo{Tok: tokens.ModuleMember("libvirt:index/" + name + ":" + name)}
}

// What this provider does otherwise than the vendor's, one word each; `-corrections` prints them.
const corrections = "late-dial define-only no-start-on-update undefine-after-failed-start"

func main() {
	if len(os.Args) == 2 && os.Args[1] == "-corrections" {
		fmt.Println(corrections)
		return
	}
	info := tfbridge.ProviderInfo{
		P:       sdkv2.NewProvider(late(libvirt.Provider())),
		Name:    "libvirt",
		Version: version,
		Resources: map[string]*tfbridge.ResourceInfo{
			"libvirt_cloudinit_disk": resource("cloudInitDisk", "CloudInitDisk"),
			"libvirt_combustion":     resource("combustion", "Combustion"),
			"libvirt_domain":         resource("domain", "Domain"),
			"libvirt_ignition":       resource("ignition", "Ignition"),
			"libvirt_network":        resource("network", "Network"),
			"libvirt_pool":           resource("pool", "Pool"),
			"libvirt_volume":         resource("volume", "Volume"),
		},
		DataSources: map[string]*tfbridge.DataSourceInfo{
			"libvirt_network_dns_host_template":        function("getNetworkDnsHostTemplate"),
			"libvirt_network_dns_srv_template":         function("getNetworkDnsSrvTemplate"),
			"libvirt_network_dnsmasq_options_template": function("getNetworkDnsmasqOptionsTemplate"),
			"libvirt_node_device_info":                 function("getNodeDeviceInfo"),
			"libvirt_node_devices":                     function("getNodeDevices"),
			"libvirt_node_info":                        function("getNodeInfo"),
		},
	}
	info.SetAutonaming(255, "-")
	tfbridge.Main("libvirt", version, info, nil)
}
