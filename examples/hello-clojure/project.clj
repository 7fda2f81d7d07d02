(defproject hello-clojure "1.0"
  :description "A page that counts"
  :dependencies [[org.clojure/clojure "1.11.1"]]
  :main hello.core
  :uberjar-name "hello.jar"
  :profiles {:uberjar {:aot :all}})
