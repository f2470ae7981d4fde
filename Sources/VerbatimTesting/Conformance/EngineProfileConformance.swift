package import VerbatimAPI
import VerbatimJSON
import VerbatimPlatform
import VerbatimSchema

/// Checks an engine profile: that its marks identify it, that what it asks for can be taken out of a reply again, and
/// that refusals lead to fewer demands.
///
/// To cover a new engine, add its profile to ``EngineProfile/all``: the tests run this suite for each of them.
package struct EngineProfileConformance: Sendable {
    private let profile: EngineProfile

    package init(_ profile: EngineProfile) { self.profile = profile }

    /// Returns every rule that the profile breaks.
    package func violations() throws -> [ConformanceViolation] {
        var list = ViolationList("engine \(profile)")
        checkName(in: &list)
        checkMarks(in: &list)
        for api in API.allCases {
            for isStream in [false, true] {
                for hasTools in [false, true] {
                    let situation = Situation(api: api, isStream: isStream, hasTools: hasTools)
                    try checkInjection(in: situation, &list)
                    try checkRefusals(in: situation, &list)
                    try checkRestoring(in: situation, &list)
                }
            }
        }
        return list.violations
    }

    // MARK: Name and marks

    private func checkName(in list: inout ViolationList) {
        let known = EngineProfile.all + [.generic]
        list.check(
            !profile.name.isEmpty
                && profile.name.allSatisfy { $0.isASCII && ($0.isLowercase || $0.isNumber || "-.".contains($0)) },
            "the name consists of lower-case letters, digits, hyphens and full stops")
        list.check(known.count { $0.name == profile.name } == 1, "the name is unique, and the profile is registered")
    }

    /// Each mark leads to the profile, or to one before it in the list that has the same mark.
    private func checkMarks(in list: inout ViolationList) {
        let fingerprint = profile.fingerprint
        for host in fingerprint.hosts {
            let name = host.first == "." ? "example" + host : host
            check(EngineRecognition.profile(forHost: name), "host \(host)", in: &list)
        }
        if let server = fingerprint.server {
            check(EngineRecognition.profile(forHeader: "Server", value: server + "/1"), "header Server", in: &list)
        }
        for header in fingerprint.headers {
            check(EngineRecognition.profile(forHeader: header, value: "x"), "header \(header)", in: &list)
        }
        for owner in fingerprint.owners {
            check(EngineRecognition.profile(forOwner: owner), "owner \(owner)", in: &list)
        }
        for pattern in fingerprint.systemFingerprints {
            let value = pattern.map { $0 == "#" ? "12" : $0 == "*" ? "x" : String($0) }.joined()
            check(EngineRecognition.profile(forFingerprint: value), "fingerprint \(pattern)", in: &list)
        }
        for refusal in fingerprint.refusals {
            check(EngineRecognition.profile(forRefusal: "Error: \(refusal)."), "refusal \(refusal)", in: &list)
        }
        for key in fingerprint.replyKeys { checkReply(#"{"\#(key)":1}"#, "field \(key)", in: &list) }
        for key in fingerprint.choiceKeys {
            checkReply(#"{"choices":[{"\#(key)":1}]}"#, "choice field \(key)", in: &list)
        }
        if !fingerprint.entryKeys.isEmpty {
            let entry = fingerprint.entryKeys.map { #""\#($0)":1"# }.joined(separator: ",")
            checkReply(#"{"choices":[{"logprobs":{"content":[{\#(entry)}]}}]}"#, "entry fields", in: &list)
        }
    }

    private func checkReply(_ reply: String, _ mark: String, in list: inout ViolationList) {
        check(EngineRecognition.profile(forReply: Array(reply.utf8).span), mark, in: &list)
    }

    private func check(_ found: EngineProfile?, _ mark: String, in list: inout ViolationList) {
        let order = EngineProfile.all.map(\.name)
        let isEarlier =
            found.flatMap { order.firstIndex(of: $0.name) }.flatMap { found in
                order.firstIndex(of: profile.name).map { found <= $0 }
            } ?? false
        list.check(isEarlier, "each mark identifies the engine", "\(mark) gives \(found?.name ?? "nothing")")
    }

    // MARK: Requests

    private struct Situation: CustomStringConvertible {
        let api: API
        let isStream: Bool
        let hasTools: Bool

        var body: String {
            #"{"model":"m","stream":\#(isStream)"#
                + (hasTools ? #","tools":[{"type":"function","function":{"name":"f"}}]}"# : "}")
        }

        var description: String {
            api.rawValue + (isStream ? ", streamed" : "") + (hasTools ? ", with tools" : "")
        }
    }

    private func prepared(_ situation: Situation, _ limits: InjectionLimits) throws -> PreparedExchange {
        try APIRegistry.request(to: situation.api, body: Array(situation.body.utf8))
            .prepared(policy: RequestPolicy(), profile: profile, injectionLimits: limits)
    }

    private func checkInjection(in situation: Situation, _ list: inout ViolationList) throws {
        let request = try prepared(situation, InjectionLimits()).request
        let injection = request.injection
        list.check(
            (try? JSONObject(document: request.body.span)) != nil, "the request stays a JSON object", "\(situation)")
        list.check(
            injection.isEmpty == request.clientFields.isEmpty, "every injected field is listed", "\(situation)")
        if let top = injection.topLogprobs {
            list.check(
                top >= profile.minimumTopLogprobs && top <= profile.maximumTopLogprobs ?? .max,
                "alternatives are within the engine's bounds", "\(situation): \(top)")
        }
        let level = request.bestPossibleLevel
        list.check(
            injection.topLogprobs == nil || level == .tokens || level == .logprobs,
            "log-probabilities raise the best possible level", "\(situation)")
        list.check(
            injection.ids.isEmpty || level == .tokens || level == .ids, "ids raise the best possible level",
            "\(situation)")
        let nothing = try prepared(situation, .nothing).request
        list.check(
            nothing.injection.isEmpty && nothing.body == Array(situation.body.utf8),
            "nothing is injected where nothing may be", "\(situation)")
    }

    /// An engine that refuses one field after the other is asked for less each time, and in the end for nothing.
    private func checkRefusals(in situation: Situation, _ list: inout ViolationList) throws {
        var limits = InjectionLimits()
        var request = try prepared(situation, limits).request
        var attempts = 0
        while let field = request.clientFields.last?.name {
            let error = #"{"error":{"message":"\#(field) is not supported","param":"\#(field)"}}"#
            let next = InjectionRejection.injectionLimits(
                afterStatus: 400, body: Array(error.utf8).span, injection: request.injection, injectionLimits: limits)
            guard let next, next != limits, attempts < 4 else {
                list.check(false, "a refusal leads to fewer demands", "\(situation): \(field)")
                return
            }
            let reduced = try prepared(situation, next).request
            list.check(
                request.injection.covers(reduced.injection) && reduced.injection != request.injection,
                "a refusal leads to fewer demands", "\(situation): \(field)")
            (limits, request) = (next, reduced)
            attempts += 1
        }
    }

    // MARK: Replies

    /// Values that come only from the engine's token data.
    private static let secretNumber = "987654"
    private static let secretEntry = #"{"token":"t","logprob":-0.987654,"bytes":[116],"top_logprobs":[]}"#

    private func checkRestoring(in situation: Situation, _ list: inout ViolationList) throws {
        let exchange = try prepared(situation, InjectionLimits())
        let injection = exchange.request.injection
        if injection.isEmpty { return }
        guard let document = document(in: situation, injection) else { return }
        let output: String
        if situation.isStream {
            output = StreamDriver.run(exchange.reply, "data: \(document)\n\n").outputText
        } else {
            output = String(decoding: readWhole(exchange.reply, Array(document.utf8)).output, as: UTF8.self)
        }
        list.check(
            !output.contains(text: Self.secretNumber), "token data do not reach the agent", "\(situation): \(output)")
        let json = output.drop { $0 != "{" }
        list.check(
            (try? JSONObject(document: Array(json.utf8).span)) != nil || output.isEmpty,
            "a restored reply is JSON", "\(situation): \(output)")
        if injection.topLogprobs == nil { return }
        let isRestored =
            switch profile.valueOfLogprobsWhenOff(in: situation.api) {
            case .null: output.contains(text: #""logprobs":null"#)
            case .emptyArray: output.contains(text: #""logprobs":[]"#)
            case .absent: !output.contains(text: "logprobs")
            }
        list.check(isRestored, "log-probabilities look as when they are off", "\(situation): \(output)")
    }

    /// A reply, or an event, with all token data that were asked for; nil for an API that has none.
    private func document(in situation: Situation, _ injection: Injection) -> String? {
        let hasLogprobs = injection.topLogprobs != nil
        switch situation.api {
        case .chatCompletions, .completions:
            var choice =
                situation.api == .completions ? #""index":0,"text":"t""# : #""index":0,"delta":{"content":"t"}"#
            if !situation.isStream { choice = choice.replacing(text: "delta", with: "message") }
            if hasLogprobs {
                choice +=
                    situation.api == .completions
                    ? #","logprobs":{"tokens":["t"],"token_logprobs":[-0.987654],"top_logprobs":null,"text_offset":[0]}"#
                    : #","logprobs":{"content":[\#(Self.secretEntry)]}"#
            }
            var members = ""
            for id in injection.ids {
                switch id {
                case .flag("return_token_ids"):
                    choice += #","token_ids":[\#(Self.secretNumber)]"#
                case .flag("return_prompt_token_ids"): choice += #","prompt_token_ids":[\#(Self.secretNumber)]"#
                case .flag("verbose"): members += #","__verbose":{"tokens":[\#(Self.secretNumber)]}"#
                case .flag("return_input_ids_in_sglext"): members += #","sglext":{"input_ids":[\#(Self.secretNumber)]}"#
                case .flag: break
                case .member(let member, _, let parent):
                    members += #","\#(parent)":{"\#(member)":[\#(Self.secretNumber)]}"#
                }
            }
            return #"{"id":"c","choices":[{\#(choice),"finish_reason":null}]\#(members)}"#
        case .responses:
            let logprobs = hasLogprobs ? #","logprobs":[\#(Self.secretEntry)]"# : ""
            let item = #"{"type":"message","id":"i","content":[{"type":"output_text","text":"t"\#(logprobs)}]}"#
            let messages =
                injection.ids.isEmpty
                ? "" : #","output_messages":[{"type":"raw_message_tokens","tokens":[\#(Self.secretNumber)]}]"#
            let response = #"{"id":"r","object":"response","status":"completed","output":[\#(item)]\#(messages)}"#
            return situation.isStream ? #"{"type":"response.completed","response":\#(response)}"# : response
        case .messages: return nil
        }
    }
}
