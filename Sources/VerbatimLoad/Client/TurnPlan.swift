/// What an agent does in one turn, and what it requests from the engine.
struct TurnPlan {
    enum Conduct: Equatable {
        /// Reads to the end.
        case patient
        /// Closes the connection after that many tokens.
        case leave(after: Int, resets: Bool)
        /// Stops reading after that many tokens, and continues later or leaves.
        case pause(after: Int, milliseconds: Int, leaves: Bool)

        var name: String {
            switch self {
            case .patient: "patient"
            case .leave(_, let resets): resets ? "leave_reset" : "leave"
            case .pause(_, _, let leaves): leaves ? "pause_leave" : "pause"
            }
        }
    }

    var spec: TurnSpec
    var conduct = Conduct.patient
}

/// How turns are chosen.
struct TurnMix: Sendable {
    /// The shares of kinds of turns, in percent.
    var pauses = 0
    /// The percentage of pauses in streams that are larger than what the sockets between two processes hold.
    var largePauses = 3
    var leaves = 0
    var faults = 0
    var unary = 0
    /// Requests that ask for log-probabilities and token ids themselves, so that the proxy has nothing to remove.
    var asking = 50

    var events = 64...64
    var interval = 0
    var eventBytes = 780
    var seed: UInt64 = 1

    /// The number of tokens of streams that are larger than what the sockets between two processes hold.
    private static let largeEvents = 6000

    /// Returns the same plan for the same seed, agent and turn.
    func plan(agent: Int, turn: Int, id: UInt32) -> TurnPlan {
        var random = SplitMix(seed: seed &+ UInt64(agent) << 32 &+ UInt64(turn))
        var spec = TurnSpec(id: id)
        spec.events = Int.random(in: events, using: &random)
        spec.interval = interval
        spec.eventBytes = eventBytes
        spec.hasLogprobs = random.chance(asking)
        spec.hasTokenIDs = spec.hasLogprobs
        var plan = TurnPlan(spec: spec)
        let lot = Int.random(in: 0..<100, using: &random)
        if lot < faults {
            fault(in: &plan, &random)
        } else if lot < faults + leaves {
            let place = Int.random(in: 0..<spec.events, using: &random)
            plan.conduct = .leave(after: place, resets: random.chance(50))
        } else if lot < faults + leaves + pauses {
            pause(in: &plan, &random)
        } else if random.chance(unary) {
            plan.spec.isStream = false
        }
        return plan
    }

    private func fault(in plan: inout TurnPlan, _ random: inout SplitMix) {
        let fault = TurnSpec.Fault.allCases.randomElement(using: &random) ?? .error500
        plan.spec.fault = fault
        plan.spec.at = Int.random(in: 0..<plan.spec.events, using: &random)
        switch fault {
        case .truncate: plan.spec.isStream = false
        case .error500, .error429: plan.spec.isStream = random.chance(50)
        case .stallAt where random.chance(50): plan.conduct = .leave(after: plan.spec.at, resets: random.chance(50))
        default: break
        }
    }

    private func pause(in plan: inout TurnPlan, _ random: inout SplitMix) {
        if random.chance(largePauses) {
            plan.spec.events = Self.largeEvents
            plan.spec.interval = 0
            plan.spec.hasLogprobs = true
            plan.spec.hasTokenIDs = true
        }
        plan.conduct = .pause(
            after: Int.random(in: 0..<plan.spec.events, using: &random) / 4,
            milliseconds: Int.random(in: 200...3000, using: &random), leaves: random.chance(30))
    }
}

/// A deterministic source of random numbers (SplitMix64).
struct SplitMix: RandomNumberGenerator {
    private var state: UInt64

    init(seed: UInt64) { state = seed }

    mutating func next() -> UInt64 {
        state &+= 0x9E37_79B9_7F4A_7C15
        var mixed = state
        mixed = (mixed ^ (mixed >> 30)) &* 0xBF58_476D_1CE4_E5B9
        mixed = (mixed ^ (mixed >> 27)) &* 0x94D0_49BB_1331_11EB
        return mixed ^ (mixed >> 31)
    }

    mutating func chance(_ percent: Int) -> Bool { Int.random(in: 0..<100, using: &self) < percent }
}
