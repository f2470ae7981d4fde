import NIOCore
import VerbatimJSON
import Verbatim

/// The first line on standard output, which states where the proxy listens: `{"url":…,"port":…,"trace":…}`.
enum ReadyLine {
    static func print(_ proxy: InterceptionProxy) {
        let network = networkURL(of: proxy)
        let line = JSONWriter.string { json in
            json.object { json in
                json.member("url", proxy.url)
                json.member("port", proxy.port)
                json.member("trace", proxy.configuration.capture == .off ? nil : proxy.configuration.trace)
                if let network { json.member("network_url", network) }
            }
        }
        StandardOutput.print(line)
    }

    /// The base URL for agents on other machines, if the proxy listens on every address: `0.0.0.0` is not an address
    /// that they could connect to. Nil if it listens on one address, or the machine has no other than its own.
    static func networkURL(of proxy: InterceptionProxy) -> String? {
        let addresses = (try? System.enumerateDevices().compactMap(\.address)) ?? []
        let texts = addresses.filter { !$0.isLoopback }.compactMap(\.ipAddress)
        return networkURL(host: proxy.configuration.host, url: proxy.url, addresses: texts)
    }

    /// - Parameter addresses: The machine's own, without those that only it can reach.
    static func networkURL(host: String, url: String, addresses: [String]) -> String? {
        let isIPv4 = host == "0.0.0.0"
        guard isIPv4 || host == "::" || host == "[::]" || host.isEmpty else { return nil }
        // Link-local addresses need the name of an interface.
        let usable = addresses.filter { !$0.lowercased().hasPrefix("fe80:") && !$0.hasPrefix("169.254.") }
        let ipv4 = usable.first { !$0.contains(":") }
        guard let address = ipv4 ?? (isIPv4 ? nil : usable.first), let end = url.range(ofAuthority: host) else {
            return nil
        }
        let name = address.contains(":") ? "[\(address)]" : address
        return url[..<end.lowerBound] + name + url[end.upperBound...]
    }
}

extension String {
    /// The place of `host`, or of `[host]`, behind the scheme of a URL.
    fileprivate func range(ofAuthority host: String) -> Range<Index>? {
        for name in ["[\(host)]", host] {
            guard let scheme = firstIndex(of: "/").map({ index($0, offsetBy: 2) }) else { return nil }
            if self[scheme...].hasPrefix(name) { return scheme..<index(scheme, offsetBy: name.count) }
        }
        return nil
    }
}

extension SocketAddress {
    fileprivate var isLoopback: Bool {
        guard let address = ipAddress else { return true }
        return address.hasPrefix("127.") || address == "::1"
    }
}
