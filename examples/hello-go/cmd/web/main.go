// Command web serves one page on $PORT. On SIGTERM it takes no more connections, finishes the requests it has,
// and exits.
package main

import (
	"cmp"
	"context"
	"errors"
	"log/slog"
	"net/http"
	"os"
	"os/signal"
	"runtime"
	"sync/atomic"
	"syscall"
	"time"

	"example.org/hello-go/internal/page"
)

// commit is set by the linker: config:set GO_LINKER_SYMBOL=main.commit.
var commit = "unknown"

func main() {
	ending, stop := signal.NotifyContext(context.Background(), syscall.SIGTERM, syscall.SIGINT)
	defer stop()

	server := &http.Server{
		Addr:              ":" + cmp.Or(os.Getenv("PORT"), "5000"),
		Handler:           routes(),
		ReadHeaderTimeout: 10 * time.Second,
		// Longer than the router keeps a connection, so that the router is the one to close it.
		IdleTimeout: 120 * time.Second,
	}
	stopped := make(chan error, 1)
	go func() {
		<-ending.Done()
		grace, cancel := context.WithTimeout(context.Background(), 25*time.Second)
		defer cancel()
		stopped <- server.Shutdown(grace)
	}()

	slog.Info("listening", "address", server.Addr)
	if err := server.ListenAndServe(); !errors.Is(err, http.ErrServerClosed) {
		slog.Error("cannot serve", "error", err)
		os.Exit(1)
	}
	if err := <-stopped; err != nil {
		slog.Error("requests were cut off", "error", err)
		os.Exit(1)
	}
}

func routes() http.Handler {
	var visits atomic.Int64
	mux := http.NewServeMux()
	mux.HandleFunc("GET /{$}", func(writer http.ResponseWriter, request *http.Request) {
		writer.Header().Set("Content-Type", "text/html; charset=utf-8")
		err := page.Write(writer, page.Facts{
			Host:    request.Host,
			Release: os.Getenv("HOSTD_RELEASE"),
			Dyno:    os.Getenv("DYNO"),
			Go:      runtime.Version(),
			Commit:  commit,
			Visits:  visits.Add(1),
			Now:     time.Now(),
		})
		if err != nil {
			slog.Warn("the page was not sent", "error", err)
		}
	})
	return mux
}
