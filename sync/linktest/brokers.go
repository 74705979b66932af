package linktest

import (
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"testing"
	"time"
)

// NATSVersion is the NATS server that tests run; .ci/tools reads it here.
const NATSVersion = "v2.15.2"

// How long brokers may take to listen. RabbitMQ boots an Erlang system, which
// takes some seconds on an idle machine.
const (
	startTimeout     = 15 * time.Second
	longStartTimeout = 2 * time.Minute
)

// HaveMosquitto finds Mosquitto where Debian puts it, or in PATH. Without it the
// test fails in CI and is skipped with a message elsewhere.
func HaveMosquitto(t testing.TB) string {
	t.Helper()
	return have(t, "mosquitto", "/usr/sbin/mosquitto", "mosquitto")
}

// HaveNATS finds the NATS server that .ci/tools has put into the user's cache
// folder, see HaveMosquitto.
func HaveNATS(t testing.TB) string {
	t.Helper()
	cache, err := os.UserCacheDir()
	if err != nil {
		t.Fatalf("find cache folder: %v", err)
	}
	return have(t, "nats-server "+NATSVersion, filepath.Join(cache, "tram", "nats-server@"+NATSVersion, "nats-server"))
}

// HaveRabbitMQ finds RabbitMQ where Debian puts it, see HaveMosquitto.
func HaveRabbitMQ(t testing.TB) string {
	t.Helper()
	have(t, "epmd of Erlang", "epmd")
	return have(t, "rabbitmq-server", "/usr/lib/rabbitmq/bin/rabbitmq-server")
}

// StartMosquitto runs Mosquitto with the mosquitto.conf in dir, whose listener
// must be addr, until the end of the test.
func StartMosquitto(t testing.TB, dir, addr string) *Program {
	t.Helper()
	program := HaveMosquitto(t)
	return StartProgram(t, "mosquitto", addr, startTimeout, func() *exec.Cmd {
		return exec.Command(program, "-v", "-c", filepath.Join(dir, "mosquitto.conf"))
	})
}

// StartNATS runs a NATS server with the nats.conf in dir, see StartMosquitto.
func StartNATS(t testing.TB, dir, addr string) *Program {
	t.Helper()
	program := HaveNATS(t)
	return StartProgram(t, "nats-server", addr, startTimeout, func() *exec.Cmd {
		return exec.Command(program, "-c", filepath.Join(dir, "nats.conf"))
	})
}

// StartRabbitMQ runs a RabbitMQ node of its own, all of whose ports are on
// loopback and all of whose files are in dir, see StartMosquitto. Programs that
// speak to it need the environment that RabbitEnv gives.
func StartRabbitMQ(t testing.TB, dir, addr string) (node *Program, env []string) {
	t.Helper()
	program := HaveRabbitMQ(t)
	epmd := FreeAddr(t)
	env = rabbitEnv(t, dir, epmd)
	_, port, _ := net.SplitHostPort(epmd)
	// Erlang would leave a daemon of this kind behind.
	StartProgram(t, "epmd", epmd, startTimeout, func() *exec.Cmd {
		return exec.Command("epmd", "-address", "127.0.0.1", "-port", port)
	})
	node = StartProgram(t, "rabbitmq-server", addr, longStartTimeout, func() *exec.Cmd {
		cmd := exec.Command(program)
		cmd.Env, cmd.Dir = env, dir
		return cmd
	})
	return node, env
}

func rabbitEnv(t testing.TB, dir, epmd string) []string {
	t.Helper()
	_, epmdPort, _ := net.SplitHostPort(epmd)
	_, distPort, _ := net.SplitHostPort(FreeAddr(t))
	home := filepath.Join(dir, "home")
	if err := os.MkdirAll(home, 0o700); err != nil {
		t.Fatalf("make home of the node: %v", err)
	}
	env := []string{
		"PATH=" + os.Getenv("PATH"), "LANG=C.UTF-8", "HOME=" + home,
		"RABBITMQ_CONF_ENV_FILE=" + filepath.Join(dir, "no-such-file"), // not that of /etc
		"RABBITMQ_CONFIG_FILE=" + filepath.Join(dir, "rabbitmq.conf"),
		"RABBITMQ_ADVANCED_CONFIG_FILE=" + filepath.Join(dir, "no-such-file.config"),
		"RABBITMQ_ENABLED_PLUGINS_FILE=" + filepath.Join(dir, "enabled_plugins"),
		"RABBITMQ_MNESIA_BASE=" + filepath.Join(dir, "data"),
		"RABBITMQ_LOG_BASE=" + filepath.Join(dir, "log"), "RABBITMQ_LOGS=-",
		"RABBITMQ_NODENAME=tram@localhost", "RABBITMQ_DIST_PORT=" + distPort,
		"ERL_EPMD_PORT=" + epmdPort, "ERL_EPMD_ADDRESS=127.0.0.1",
		"RABBITMQ_SERVER_ADDITIONAL_ERL_ARGS=-kernel inet_dist_use_interface {127,0,0,1}",
	}
	return env
}
