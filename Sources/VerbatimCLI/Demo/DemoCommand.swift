import ArgumentParser
import VerbatimTesting
import NIOCore
import Verbatim

struct DemoCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "demo",
        abstract: "Watch a conversation being captured; needs no engine.",
        discussion: """
            Starts a scripted engine and a real proxy in front of it. A small agent holds a conversation of two turns \
            with a tool call through the proxy. Shows what the agent received and what the trace holds.
            """
    )

    @Option(help: ArgumentHelp("File for the trace (default: a new one in the temporary folder).", valueName: "path"))
    var trace: String?

    @Option(help: "Color tokens by probability: auto, always or never.")
    var color: ColorChoice = .auto

    func run() async throws {
        let trace = try trace ?? TemporaryTrace.make()
        var model = ScriptedChat(.vllm, .demo)
        model.pacing = .milliseconds(15)
        let engine = try await MockEngine.start(script: model.serve)
        var configuration = ProxyConfiguration(upstreamURL: engine.url)
        configuration.port = 0
        configuration.trace = trace
        let isColored = color.isOn
        let transcript = DemoTranscript(color: isColored)
        do {
            try await withInterceptionProxy(configuration: configuration) { proxy in
                transcript.heading("An agent talks to an engine through \(proxy.url)")
                let agent = SimpleHTTPClient(host: configuration.host, port: proxy.port)
                for (index, request) in DemoRequests.all.enumerated() {
                    transcript.request(number: index + 1, DemoRequests.questions[index])
                    let status = try await agent.post("/v1/chat/completions", body: Array(request.utf8)) { body in
                        transcript.receive(body)
                    }
                    transcript.endReply(status: status)
                }
            }
        } catch let error as ProxyError {
            await engine.stop()
            throw CommandFailure(error)
        }
        await engine.stop()
        transcript.heading("What the trace holds")
        try TurnPrinter(color: isColored, showing: .text).printAll(of: trace)
        transcript.footer(trace: trace)
    }
}
