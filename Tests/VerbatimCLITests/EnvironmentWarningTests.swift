import Testing
import Verbatim

@testable import VerbatimCLI

@Suite("What the environment says in vain") struct EnvironmentWarningTests {
    @Test(
        "A variable that resembles a setting's is reported, with the nearest setting",
        arguments: [
            ("VERBATIM_TOP_LOGPROB", "VERBATIM_TOP_LOGPROBS"), ("VERBATIM_APIKEY", "VERBATIM_API_KEY"),
            ("VERBATIM_UPSTREAM_UR", "VERBATIM_UPSTREAM_URL"), ("VERBATIM_REQUIRE_CAPTRUE", "VERBATIM_REQUIRE_CAPTURE"),
            ("VERBATIM_COFFEE_WITH_MILK_AND_SUGAR", nil),
        ])
    func misspellings(name: String, nearest: String?) {
        let found = EnvironmentWarnings.misspellings(among: ["PATH", name, "VERBATIM_PORT"])
        #expect(found == [EnvironmentWarnings.Misspelling(variable: name, nearest: nearest)])
    }

    @Test("Settings, other programs' variables and those that Kubernetes adds are no misspellings")
    func rightNames() {
        let names =
            Setting.all.map(\.variable) + [
                "OPENCODE_UPSTREAM_API_KEY", "VERBATIM_SERVICE_HOST", "VERBATIM_PORT_7000_TCP_ADDR", "HOME", "VERBATIM",
            ]
        #expect(EnvironmentWarnings.misspellings(among: names) == [])
    }

    @Test("The way to an https engine that other programs would take is named")
    func ignored() {
        func ignored(_ url: String, ca: String? = nil, _ variables: [String: String]) -> [String] {
            var configuration = ProxyConfiguration(upstreamURL: url)
            configuration.upstreamCA = ca
            configuration.upstreamProxy = variables["--upstream-proxy"]
            return EnvironmentWarnings.ignored(configuration) { variables[$0] }
        }
        let proxy = ["HTTPS_PROXY": "http://user:pass@proxy:3128", "SSL_CERT_FILE": "/etc/ca.pem"]
        #expect(ignored("https://api.example.com/v1", proxy) == ["HTTPS_PROXY", "SSL_CERT_FILE"])
        #expect(ignored("https://api.example.com/v1", ca: "ca.pem", proxy) == ["HTTPS_PROXY"])
        #expect(ignored("http://127.0.0.1:8000", proxy) == [])
        #expect(ignored("https://h", ["HTTPS_PROXY": "x", "--upstream-proxy": "http://p:1"]) == [])
        #expect(ignored("https://api.example.com", ["https_proxy": "x", "no_proxy": ".example.com"]) == [])
        #expect(ignored("https://api.example.com", ["https_proxy": "x", "NO_PROXY": "ample.com"]) == ["https_proxy"])
        #expect(ignored("https://h", ["ALL_PROXY": "x", "NO_PROXY": "*", "HTTPS_PROXY": ""]) == [])
    }

    @Test(
        "A proxy that listens on every address says how others reach it",
        arguments: [
            ("0.0.0.0", "http://0.0.0.0:7000/v1", ["fe80::1", "2001:db8::5", "10.0.0.5"], "http://10.0.0.5:7000/v1"),
            ("::", "https://[::]:7000/v1", ["fe80::1", "2001:db8::5"], "https://[2001:db8::5]:7000/v1"),
            ("::", "http://[::]:7000/v1", ["10.0.0.5"], "http://10.0.0.5:7000/v1"),
            ("0.0.0.0", "http://0.0.0.0:7000/v1", ["169.254.3.4"], nil),
            ("127.0.0.1", "http://127.0.0.1:7000/v1", ["10.0.0.5"], nil),
            ("10.0.0.5", "http://10.0.0.5:7000/v1", ["10.0.0.5"], nil),
        ])
    func networkURL(host: String, url: String, addresses: [String], expected: String?) {
        #expect(ReadyLine.networkURL(host: host, url: url, addresses: addresses) == expected)
    }
}
