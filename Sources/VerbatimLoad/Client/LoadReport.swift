/// How a turn ended for the agent.
enum TurnEnd: String, CaseIterable {
    /// The agent got the whole reply, as the engine sent it.
    case whole
    /// The agent left.
    case left
    /// The connection ended before the reply did.
    case cut
    /// The agent got an error that the engine did not send.
    case error
    /// The agent got other bytes than the engine sent.
    case mismatch
    /// The connection could not be made.
    case refused
    /// The turn took too long.
    case hung
}

/// The results of the agents of one event loop.
struct LoadReport: Sendable {
    private(set) var turns: [String: Int] = [:]
    private(set) var events = 0
    private(set) var bytes = 0
    /// The number of reads: events arrive one by one, or several at once.
    private(set) var reads = 0
    /// The time between the engine's write and the agent's read, of paced streams.
    var delay = Histogram()
    /// The time between two events of a paced stream.
    var gap = Histogram()
    /// By how much a gap exceeds the pace. A histogram of gaps alone is too coarse to show it.
    var gapExcess = Histogram()
    /// The time from the request to the first token.
    var firstEvent = Histogram()
    /// The time from the request to the end of the reply.
    var turn = Histogram()
    private(set) var mismatches: [String] = []
    /// One JSON object for each turn.
    private(set) var log: [String] = []

    mutating func count(events: Int, bytes: Int) {
        self.events += events
        self.bytes += bytes
        reads += 1
    }

    mutating func note(_ plan: TurnPlan, session: String, end: TurnEnd, status: Int, tokens: Int, detail: String?) {
        turns[end.rawValue, default: 0] += 1
        let spec = plan.spec
        if let detail, end == .mismatch { mismatches.append("request \(spec.id): \(detail)") }
        log.append(
            #"{"id":\#(spec.id),"session":"\#(session)","conduct":"\#(plan.conduct.name)","stream":\#(spec.isStream),"#
                + #""asks":\#(spec.hasLogprobs),"events":\#(spec.events),"interval":\#(spec.interval),"#
                + #""fault":\#(spec.fault.map { "\"\($0.rawValue)\"" } ?? "null"),"at":\#(spec.at),"#
                + #""end":"\#(end.rawValue)","status":\#(status),"tokens":\#(tokens)}"#)
    }

    mutating func add(_ other: LoadReport) {
        turns.merge(other.turns, uniquingKeysWith: +)
        events += other.events
        bytes += other.bytes
        reads += other.reads
        delay.add(other.delay)
        gap.add(other.gap)
        gapExcess.add(other.gapExcess)
        firstEvent.add(other.firstEvent)
        turn.add(other.turn)
        mismatches += other.mismatches
        log += other.log
    }

    func json(seconds: Double, probes: HealthProbes.Times?) -> String {
        let ends = TurnEnd.allCases.map { #""\#($0.rawValue)":\#(turns[$0.rawValue] ?? 0)"# }
        let shown = mismatches.prefix(20).map { "\"" + $0.replacing("\\", with: "/").replacing("\"", with: "'") + "\"" }
        return
            #"{"turns":{\#(ends.joined(separator: ","))},"seconds":\#(seconds),"events":\#(events),"bytes":\#(bytes),"#
            + #""reads":\#(reads),"#
            + #""delay_us":\#(delay.json),"gap_us":\#(gap.json),"#
            + #""gap_excess_us":\#(gapExcess.json),"first_event_us":\#(firstEvent.json),"#
            + #""turn_us":\#(turn.json),"health_us":\#(probes?.health.json ?? "null"),"#
            + #""lateness_us":\#(probes?.lateness.json ?? "null"),"#
            + #""mismatches":[\#(shown.joined(separator: ","))]}"#
    }

    /// The report as text.
    func table(seconds: Double, probes: HealthProbes.Times?) -> String {
        func pad(_ text: String, _ width: Int) -> String {
            String(repeating: " ", count: max(0, width - text.count)) + text
        }
        func row(_ name: String, _ values: [String]) -> String {
            name + String(repeating: " ", count: max(1, 16 - name.count)) + values.map { pad($0, 10) }.joined()
        }
        func row(_ name: String, _ histogram: Histogram) -> String {
            let shares = [0.5, 0.9, 0.99, 0.999].map { String(histogram.percentile($0)) }
            return row(name, shares + [String(histogram.largest), String(histogram.count)])
        }
        let ends = TurnEnd.allCases.compactMap { end in turns[end.rawValue].map { "\($0) \(end.rawValue)" } }
        return """
            turns: \(ends.joined(separator: ", "))
            \(events) events, \(bytes >> 20) MiB in \(Int(seconds)) s
            \(row("microseconds", ["p50", "p90", "p99", "p99.9", "max", "count"]))
            \(row("added delay", delay))
            \(row("gap", gap))
            \(row("first event", firstEvent))
            \(row("turn", turn))
            """ + (probes.map { "\n" + row("healthz", $0.health) + "\n" + row("lateness", $0.lateness) } ?? "")
                + mismatches.prefix(20).map { "\nmismatch: \($0)" }.joined()
    }
}
