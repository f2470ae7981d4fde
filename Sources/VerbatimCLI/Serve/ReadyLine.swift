import VerbatimJSON
import Verbatim

/// The line on standard output that says where the proxy listens: `{"url":…,"port":…,"trace":…}`.
enum ReadyLine {
    static func print(_ proxy: InterceptionProxy) {
        var line = Array(#"{"url":"#.utf8)
        line.appendJSONString(proxy.url)
        line.append(contentsOf: #","port":\#(proxy.port),"trace":"#.utf8)
        if proxy.configuration.capture == .off {
            line.append(contentsOf: "null".utf8)
        } else {
            line.appendJSONString(proxy.configuration.trace)
        }
        line.append(contentsOf: "}".utf8)
        StandardOutput.print(String(decoding: line, as: UTF8.self))
    }
}
