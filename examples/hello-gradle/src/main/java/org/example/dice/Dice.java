package org.example.dice;

import com.sun.net.httpserver.HttpExchange;
import com.sun.net.httpserver.HttpServer;
import java.io.IOException;
import java.net.InetSocketAddress;
import java.nio.charset.StandardCharsets;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import java.util.concurrent.ThreadLocalRandom;
import java.util.stream.Collectors;

/** Throws dice: {@code GET /3} answers with three of them, as JSON. */
public final class Dice {
    private static final int MOST = 100;
    private static final int GRACE_SECONDS = 25;

    private Dice() { }

    public static void main(String[] arguments) throws IOException {
        int port = Integer.parseInt(System.getenv().getOrDefault("PORT", "5000"));
        ExecutorService workers = Executors.newFixedThreadPool(16);
        HttpServer server = HttpServer.create(new InetSocketAddress(port), 128);
        server.setExecutor(workers);
        server.createContext("/", Dice::answer);
        Runtime.getRuntime().addShutdownHook(new Thread(() -> {
            server.stop(GRACE_SECONDS);
            workers.shutdown();
        }));
        server.start();
        System.out.println("Throwing dice on port " + port);
    }

    private static void answer(HttpExchange exchange) throws IOException {
        int count = count(exchange.getRequestURI().getPath().substring(1));
        byte[] body = (count > 0 ? thrown(count) : refusal()).getBytes(StandardCharsets.UTF_8);
        exchange.getResponseHeaders().set("Content-Type", "application/json");
        try (exchange) {
            exchange.sendResponseHeaders(count > 0 ? 200 : 404, body.length);
            exchange.getResponseBody().write(body);
        }
    }

    private static int count(String path) {
        if (path.isEmpty()) {
            return 1;
        }
        int count = path.matches("\\d{1,3}") ? Integer.parseInt(path) : 0;
        return count <= MOST ? count : 0;
    }

    private static String thrown(int count) {
        String dice = ThreadLocalRandom.current().ints(count, 1, 7).mapToObj(String::valueOf)
            .collect(Collectors.joining(", "));
        return "{\"dice\": [" + dice + "], \"thrown_by\": \"" + System.getenv("DYNO") + "\"}\n";
    }

    private static String refusal() {
        return "{\"error\": \"Ask for 1 to " + MOST + " dice, such as /3.\"}\n";
    }
}
