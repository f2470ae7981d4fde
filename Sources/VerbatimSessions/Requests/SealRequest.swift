/// How a trainer wants a rollout sealed.
package struct SealRequest: Hashable, Sendable {
    package enum Mode: String, CaseIterable, Sendable {
        /// Running turns may end.
        case wait
        /// Running turns are cut off.
        case abort
    }

    package let mode: Mode
    /// Seconds to wait for running turns. Default: 60.
    package let wait: Double

    package init(_ body: [UInt8]) throws(SessionsError) {
        let fields = try BodyFields(body, allowing: ["mode", "wait_s"])
        mode = try fields.choice("mode", of: Mode.self) ?? .wait
        wait = min(try fields.seconds("wait_s") ?? 60, 600)
    }
}
