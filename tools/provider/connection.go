package main

import (
	"context"
	"fmt"
	"sync"
	"time"

	"github.com/dmacvicar/terraform-provider-libvirt/libvirt"
	"github.com/hashicorp/terraform-plugin-sdk/v2/diag"
	"github.com/hashicorp/terraform-plugin-sdk/v2/helper/schema"
)

// A host may accept a connection and then say nothing, for ever; the provider limits only the time to accept.
const dialLimit = 30 * time.Second

// connection is a host that is dialled when the first operation needs it, and once.
//
// The provider itself dials when it is configured, so that one host that does not answer stops every preview and
// update of a stack that names it. Dialled here, only the operations on that host fail, each with the reason.
type connection struct {
	uri    string
	once   sync.Once
	client *libvirt.Client
	err    error
}

func (c *connection) open() (*libvirt.Client, error) {
	c.once.Do(func() {
		type answer struct {
			client *libvirt.Client
			err    error
		}
		answers := make(chan answer, 1)
		go func() {
			client, err := (&libvirt.Config{URI: c.uri}).Client()
			answers <- answer{client, err}
		}()
		select {
		case got := <-answers:
			c.client, c.err = got.client, got.err
		case <-time.After(dialLimit):
			c.err = fmt.Errorf("no answer within %s", dialLimit)
		}
		if c.err != nil {
			// The same words as when the provider is configured; go-libvirt's own error does not always say them.
			c.err = fmt.Errorf("failed to connect to %s: %w", c.uri, c.err)
		}
	})
	return c.client, c.err
}

// late answers the provider with every operation dialling by itself.
func late(provider *schema.Provider) *schema.Provider {
	provider.ConfigureFunc = nil
	provider.ConfigureContextFunc = func(_ context.Context, data *schema.ResourceData) (any, diag.Diagnostics) {
		return &connection{uri: data.Get("uri").(string)}, nil
	}
	for _, resource := range provider.ResourcesMap {
		resource.CreateContext = dialled(resource.CreateContext)
		resource.ReadContext = dialled(resource.ReadContext)
		resource.UpdateContext = dialled(resource.UpdateContext)
		resource.DeleteContext = dialled(resource.DeleteContext)
	}
	for _, source := range provider.DataSourcesMap {
		read := source.Read //nolint:staticcheck // the provider's data sources have no other
		source.Read = nil
		source.ReadContext = dialled(func(_ context.Context, data *schema.ResourceData, meta any) diag.Diagnostics {
			return diag.FromErr(read(data, meta))
		})
	}
	return provider
}

func dialled[F ~func(context.Context, *schema.ResourceData, any) diag.Diagnostics](operation F) F {
	if operation == nil {
		return nil
	}
	return func(ctx context.Context, data *schema.ResourceData, meta any) diag.Diagnostics {
		client, err := meta.(*connection).open()
		if err != nil {
			return diag.FromErr(err)
		}
		return operation(ctx, data, client)
	}
}
