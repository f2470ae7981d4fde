import JSONBytes
import Verbatim

#if canImport(Glibc)
    import Glibc
#elseif canImport(Musl)
    import Musl
#elseif canImport(Darwin)
    import Darwin
#endif

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
        line.append(contentsOf: "}\n".utf8)
        _ = line.withUnsafeBytes { write(STDOUT_FILENO, $0.baseAddress, $0.count) }
    }
}
