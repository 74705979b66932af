package world

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"strings"

	"tram/sync/linktest"
)

// Cluster is a broker of several NATS servers that stand in for each other.
type Cluster struct {
	Nodes []*Process
	http  []string // where each answers whether it is ready
}

// ClusterOptions configure StartCluster.
type ClusterOptions struct {
	Program   string   // nats-server
	Dir       string   // scratch folder, created when missing
	Addrs     []string // of MQTT, one a node
	Cert, Key string   // files of the server certificate
	ClientCAs string   // PEM file of the CAs whose clients may connect
}

// StartCluster starts the servers and waits until they have found each other.
// On an error everything started is ended.
func StartCluster(ctx context.Context, o ClusterOptions) (*Cluster, error) {
	c := &Cluster{}
	if err := c.start(ctx, o); err != nil {
		return nil, errors.Join(err, c.Close())
	}
	return c, nil
}

func (c *Cluster) start(ctx context.Context, o ClusterOptions) error {
	var routes []string
	for range o.Addrs {
		route, err := linktest.LoopbackAddr()
		if err != nil {
			return err
		}
		answers, err := linktest.LoopbackAddr()
		if err != nil {
			return err
		}
		routes, c.http = append(routes, route), append(c.http, answers)
	}
	for i := range o.Addrs {
		dir := filepath.Join(o.Dir, fmt.Sprintf("nats%d", i))
		if err := os.MkdirAll(dir, 0o700); err != nil {
			return err
		}
		conf := filepath.Join(dir, "nats.conf")
		if err := os.WriteFile(conf, []byte(natsConf(o, i, dir, c.http[i], routes)), 0o600); err != nil {
			return err
		}
		node := newProcess([]string{o.Program}, dir, nil, "-c", conf)
		if err := node.Start(); err != nil {
			return err
		}
		c.Nodes = append(c.Nodes, node)
	}
	for i := range c.Nodes {
		if err := c.Wait(ctx, i); err != nil {
			return err
		}
	}
	return nil
}

// natsConf is the least that such a node needs: TLS with client certificates
// and, for presence, replicated storage.
func natsConf(o ClusterOptions, i int, dir, answers string, routes []string) string {
	return fmt.Sprintf(`server_name: n%d
listen: "127.0.0.1:-1"
http: %q
max_payload: 65536
write_deadline: "10m"
jetstream { store_dir: %q, max_memory_store: 64MB, max_file_store: 256MB }
cluster { name: tram, listen: %q, routes: [nats://%s] }
mqtt {
  listen: %q
  tls { cert_file: %q, key_file: %q, ca_file: %q, verify: true, timeout: 20 }
  ack_wait: "10m"
  stream_replicas: %d
}
`, i, answers, filepath.Join(dir, "store"), routes[i], strings.Join(routes, ", nats://"), o.Addrs[i], o.Cert, o.Key, o.ClientCAs, min(len(routes), 3))
}

// Wait waits until a node is in step with the others.
func (c *Cluster) Wait(ctx context.Context, i int) error {
	return c.Nodes[i].waitFor(ctx, func(ctx context.Context) error {
		req, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://"+c.http[i]+"/healthz", nil)
		if err != nil {
			return err
		}
		resp, err := http.DefaultClient.Do(req)
		if err != nil {
			return err
		}
		defer resp.Body.Close()
		if resp.StatusCode != http.StatusOK {
			return fmt.Errorf("node %d answers %s", i, resp.Status)
		}
		return nil
	})
}

// Close ends all nodes.
func (c *Cluster) Close() error {
	var errs []error
	for _, n := range c.Nodes {
		errs = append(errs, n.Stop())
	}
	return errors.Join(errs...)
}
