package hello

import com.sun.net.httpserver.{HttpExchange, HttpHandler, HttpServer}
import java.net.InetSocketAddress
import java.nio.charset.StandardCharsets.UTF_8
import java.util.concurrent.Executors

/** One page on $PORT, from the JDK's own HTTP server. On SIGTERM it takes no more connections, finishes the requests
  * it has, and exits.
  */
object Hello {
  private val GraceSeconds = 25

  def main(arguments: Array[String]): Unit = {
    val port = setting("PORT", "5000").toInt
    val workers = Executors.newFixedThreadPool(16)
    val server = HttpServer.create(new InetSocketAddress(port), 128)
    server.setExecutor(workers)
    server.createContext("/", new HttpHandler {
      override def handle(exchange: HttpExchange): Unit = answer(exchange)
    })
    Runtime.getRuntime.addShutdownHook(new Thread(new Runnable {
      override def run(): Unit = {
        server.stop(GraceSeconds)
        workers.shutdown()
      }
    }))
    server.start()
    println(s"Listening on port $port")
  }

  private def answer(exchange: HttpExchange): Unit = {
    val body = page(exchange.getRequestHeaders.getFirst("Host")).getBytes(UTF_8)
    exchange.getResponseHeaders.set("Content-Type", "text/html; charset=utf-8")
    try {
      exchange.sendResponseHeaders(200, body.length.toLong)
      exchange.getResponseBody.write(body)
    } finally exchange.close()
  }

  private def page(host: String): String =
    s"""<!doctype html>
       |<html lang="en">
       |<meta charset="utf-8">
       |<title>Hello from ${escape(host)}</title>
       |<h1>Hello from Scala!</h1>
       |<p>This is <code>${escape(host)}</code>, release <code>${escape(setting("HOSTD_RELEASE", "none"))}</code>,
       |served by <code>${escape(setting("DYNO", "none"))}</code>, Scala ${util.Properties.versionNumberString}.</p>
       |</html>
       |""".stripMargin

  private def escape(text: String): String =
    text.flatMap {
      case '&' => "&amp;"
      case '<' => "&lt;"
      case '>' => "&gt;"
      case character => character.toString
    }

  private def setting(name: String, otherwise: String): String = sys.env.getOrElse(name, otherwise)
}
