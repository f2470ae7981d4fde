/// One turn of a scripted conversation: the prompt's tokens and the replies to it.
package struct ScriptedTurn: Sendable {
    package var promptTokenIDs: [Int]
    /// One reply for each choice. If a request asks for more choices, they start again from the first.
    package var replies: [ScriptedReply]

    package init(promptTokenIDs: [Int], replies: [ScriptedReply]) {
        self.promptTokenIDs = promptTokenIDs
        self.replies = replies
    }

    func reply(forChoice index: Int) -> ScriptedReply? {
        replies.isEmpty ? nil : replies[index % replies.count]
    }
}

/// The replies of a scripted model, which depend on whether the request holds the result of a tool.
package struct Conversation: Sendable {
    /// The reply to a request without the result of a tool.
    package var opening: ScriptedTurn
    /// The reply to a request that holds the result of a tool.
    package var afterToolResult: ScriptedTurn

    package init(opening: ScriptedTurn, afterToolResult: ScriptedTurn) {
        self.opening = opening
        self.afterToolResult = afterToolResult
    }

    /// The same replies to every request.
    package static func always(_ replies: [ScriptedReply], promptTokenIDs: [Int] = [2021, 1626, 198]) -> Conversation {
        let turn = ScriptedTurn(promptTokenIDs: promptTokenIDs, replies: replies)
        return Conversation(opening: turn, afterToolResult: turn)
    }

    /// A short agent run: the model thinks, calls `bash`, and replies with the result.
    ///
    /// The second prompt is the first one, the tokens of the first reply, and the tool's result, as on a real engine.
    package static let demo = Conversation(
        opening: ScriptedTurn(promptTokenIDs: DemoTokens.prompt, replies: [DemoTokens.toolCall]),
        afterToolResult: ScriptedTurn(
            promptTokenIDs: DemoTokens.prompt + DemoTokens.toolCall.tokens.map(\.id) + DemoTokens.toolResult,
            replies: [DemoTokens.answer]))
}

/// The tokens of the demo conversation.
private enum DemoTokens {
    static let endOfTurn = 151645

    static let prompt = [
        151644, 8948, 198, 2610, 525, 264, 10950, 17847, 448, 2615, 311, 264, 12528, 13, 151645, 198, 151644, 872, 198,
        23085, 1034, 304, 419, 6220, 374, 279, 7772, 30, 151645, 198, 151644, 77091, 198,
    ]

    static let toolResult = [
        198, 151644, 872, 198, 151665, 198, 72479, 220, 21, 22, 76, 198, 38293, 220, 19, 13, 23, 38, 1614, 47591, 2196,
        198, 151666, 151645, 198, 151644, 77091, 198,
    ]

    static let toolCall = ScriptedReply(
        .swallowed([t(151667, "<think>", "-1.1920928244535389e-7")])
            + .reasoning([
                t(198, "\n", "0.0"), t(785, "The", "-0.41316163539886475"), t(1196, " user", "-0.0009765623146668077"),
                t(6801, " wants", "-0.8432261943817139"), t(279, " the", "-1.6508495807647705"),
                t(7772, " largest", "-0.08721596002578735"), t(1034, " file", "-0.0026830462738871574"),
                t(13, ".", "-0.7023046612739563"), t(358, " I", "-0.3132617175579071"),
                t(646, " can", "-2.4180326461791992"), t(3378, " sort", "-3.127983331680298"),
                t(264, " a", "-1.0049527883529663"), t(6220, " directory", "-1.2878996133804321"),
                t(14000, " listing", "-0.016529131680727005"), t(553, " by", "-0.00012766455765813589"),
                t(1379, " size", "-4.887569048150908e-6"), t(624, ".\n", "-0.11920291930437088"),
            ])
            + .swallowed([
                t(151668, "</think>", "-2.3841855067985307e-7"), t(271, "\n\n", "0.0"),
            ])
            + .toolCall(
                id: "chatcmpl-tool-a9a69afc24caabd5", name: "bash",
                heading: [
                    t(151657, "<tool_call>", "-0.0018655978376045823"), t(198, "\n", "0.0"), t(4913, "{\"", "0.0"),
                    t(606, "name", "0.0"), t(788, "\":", "0.0"), t(330, " \"", "0.0"),
                    t(46216, "bash", "-3.576272320060525e-6"), t(497, "\",", "0.0"), t(330, " \"", "0.0"),
                    t(16370, "arguments", "0.0"), t(788, "\":", "0.0"), t(220, " ", "-0.01814992539584637"),
                ],
                arguments: [
                    t(4913, "{\"", "0.0"), t(5631, "command", "0.0"), t(788, "\":", "0.0"),
                    t(330, " \"", "-0.00020740208856295794"), t(4730, "ls", "-0.5761833190917969"),
                    t(481, " -", "-0.04858743026852608"), t(75, "l", "-0.9189383983612061"),
                    t(50, "S", "-0.32656848430633545"), t(760, " |", "-1.1313962936401367"),
                    t(1968, " head", "-0.022741466760635376"), t(481, " -", "-0.2014133334159851"),
                    t(18, "3", "-4.132931232452393"), t(1, "\"", "-0.0672459602355957"), t(92, "}", "0.0"),
                ])
            + .swallowed([
                t(532, "}\n", "-2.145764938177308e-6"), t(151658, "</tool_call>", "0.0"),
            ]),
        stopToken: t(endOfTurn, "<|im_end|>", "-1.1920928244535389e-7"))

    static let answer = ScriptedReply(
        .content([
            t(785, "The", "-0.1269330084323883"), t(7772, " largest", "-0.012731999158859253"),
            t(1034, " file", "-0.0014016178902238607"), t(374, " is", "-0.24005205929279327"),
            t(1565, " `", "-0.18737569451332092"), t(2528, "model", "-0.003867178177461028"),
            t(11973, ".s", "-0.00011729341349564493"), t(5858, "afet", "0.0"), t(47268, "ensors", "0.0"),
            t(7808, "`,", "-0.9741547107696533"), t(518, " at", "-1.4076061248779297"),
            t(220, " ", "-0.0003507781948428601"), t(19, "4", "-0.000012993727978027891"), t(13, ".", "0.0"),
            t(23, "8", "-2.3841855067985307e-7"), t(18865, " GB", "-0.413165807723999"),
            t(1959, " —", "-4.2735042572021484"), t(803, " more", "-2.6150217056274414"),
            t(1091, " than", "-0.00317243090942502"), t(4279, " half", "-1.6931471824645996"),
            t(315, " of", "-0.056193239986896515"), t(1449, " every", "-3.1047906875610352"),
            t(4297, "thing", "-0.0008871228694915771"), t(304, " in", "-0.5040724277496338"),
            t(279, " the", "-0.45198461413383484"), t(6220, " directory", "-0.2283608764410019"),
            t(13, ".", "-0.09431417286396027"),
        ]),
        stopToken: t(endOfTurn, "<|im_end|>", "-0.004725466948002577"))

    private static func t(_ id: Int, _ text: String, _ logprob: String) -> ScriptedToken {
        ScriptedToken(id, text, logprob)
    }
}
