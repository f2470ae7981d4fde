import VerbatimJSON
import Verbatim

/// The first line on standard output, which states where the proxy listens: `{"url":…,"port":…,"trace":…}`.
enum ReadyLine {
    static func print(_ proxy: InterceptionProxy) {
        let line = JSONWriter.string { json in
            json.object { json in
                json.member("url", proxy.url)
                json.member("port", proxy.port)
                json.member("trace", proxy.configuration.capture == .off ? nil : proxy.configuration.trace)
            }
        }
        StandardOutput.print(line)
    }
}
