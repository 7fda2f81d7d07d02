package org.example.hello;

import com.sun.net.httpserver.HttpExchange;
import com.sun.net.httpserver.HttpServer;
import java.io.IOException;
import java.io.InputStream;
import java.net.InetSocketAddress;
import java.nio.charset.StandardCharsets;
import java.util.Map;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;

/**
 * One page on $PORT from the JDK's own HTTP server. On SIGTERM it takes no more connections, finishes the requests it
 * has, and exits.
 */
public final class Hello {
    private static final int GRACE_SECONDS = 25;

    private final String page;

    private Hello(String page) {
        this.page = page;
    }

    public static void main(String[] arguments) throws IOException {
        int port = Integer.parseInt(environment("PORT", "5000"));
        ExecutorService workers = Executors.newFixedThreadPool(16);
        HttpServer server = HttpServer.create(new InetSocketAddress(port), 128);
        server.setExecutor(workers);
        server.createContext("/", new Hello(resource("/page.html"))::answer);
        Runtime.getRuntime().addShutdownHook(new Thread(() -> {
            server.stop(GRACE_SECONDS);
            workers.shutdown();
        }));
        server.start();
        System.out.println("Listening on port " + port);
    }

    private void answer(HttpExchange exchange) throws IOException {
        boolean known = exchange.getRequestURI().getPath().equals("/");
        byte[] body = (known ? render(exchange) : "Not found\n").getBytes(StandardCharsets.UTF_8);
        exchange.getResponseHeaders().set("Content-Type", (known ? "text/html" : "text/plain") + "; charset=utf-8");
        try (exchange) {
            exchange.sendResponseHeaders(known ? 200 : 404, body.length);
            exchange.getResponseBody().write(body);
        }
    }

    private String render(HttpExchange exchange) {
        Map<String, String> facts = Map.of(
            "host", String.valueOf(exchange.getRequestHeaders().getFirst("Host")),
            "release", environment("HOSTD_RELEASE", "none"),
            "dyno", environment("DYNO", "none"),
            "java", System.getProperty("java.version"),
            "heap", String.valueOf(Runtime.getRuntime().maxMemory() >> 20));
        String rendered = page;
        for (Map.Entry<String, String> fact : facts.entrySet()) {
            rendered = rendered.replace("{" + fact.getKey() + "}", escape(fact.getValue()));
        }
        return rendered;
    }

    private static String escape(String text) {
        return text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;");
    }

    private static String environment(String name, String otherwise) {
        return System.getenv().getOrDefault(name, otherwise);
    }

    private static String resource(String name) throws IOException {
        try (InputStream stream = Hello.class.getResourceAsStream(name)) {
            return new String(stream.readAllBytes(), StandardCharsets.UTF_8);
        }
    }
}
