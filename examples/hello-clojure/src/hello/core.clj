(ns hello.core
  "One page on $PORT, from the JDK's own HTTP server. On SIGTERM it takes no more connections, finishes the requests it
  has, and exits."
  (:require [clojure.string :as string])
  (:import (com.sun.net.httpserver HttpExchange HttpHandler HttpServer)
           (java.net InetSocketAddress)
           (java.util.concurrent Executors))
  (:gen-class))

(defonce visits (atom 0))

(defn page [{:keys [host release dyno visit]}]
  (str "<!doctype html>\n<html lang=\"en\">\n<meta charset=\"utf-8\">\n<title>Hello from " host "</title>\n"
       "<h1>Hello from Clojure!</h1>\n"
       "<p>This is <code>" host "</code>, release <code>" release "</code>, visit " visit
       " of <code>" dyno "</code>, on Clojure " (clojure-version) ".</p>\n</html>\n"))

(defn escape [text]
  (string/escape (str text) {\& "&amp;" \< "&lt;" \> "&gt;" \" "&quot;"}))

(defn answer [^HttpExchange exchange]
  (let [facts {:host    (escape (.getFirst (.getRequestHeaders exchange) "Host"))
               :release (escape (System/getenv "HOSTD_RELEASE"))
               :dyno    (escape (System/getenv "DYNO"))
               :visit   (swap! visits inc)}
        body  (.getBytes ^String (page facts) "UTF-8")]
    (.set (.getResponseHeaders exchange) "Content-Type" "text/html; charset=utf-8")
    (.sendResponseHeaders exchange 200 (alength body))
    (with-open [out (.getResponseBody exchange)]
      (.write out body))))

(defn -main [& _]
  (let [port    (parse-long (or (System/getenv "PORT") "5000"))
        workers (Executors/newFixedThreadPool 16)
        server  (HttpServer/create (InetSocketAddress. (int port)) 128)]
    (.setExecutor server workers)
    (.createContext server "/" (reify HttpHandler (handle [_ exchange] (answer exchange))))
    (.addShutdownHook (Runtime/getRuntime)
                      (Thread. ^Runnable (fn [] (.stop server 25) (.shutdown workers))))
    (.start server)
    (println "Listening on port" port)))
