import VerbatimSchema
import VerbatimJSON
import VerbatimPlatform
import TestSupport
import Testing
import VerbatimAPI
import VerbatimTesting

/// Texts that are marked as normal need no change in a record.
@Suite struct NormalTextTests {
    /// Text that must not be in a line of strict JSON, inserted where a string or a number begins.
    enum Disturbance: CaseIterable, Sendable {
        case texts, keys, tokens

        func applied(to body: [UInt8]) -> [UInt8] {
            switch self {
            case .texts:
                // Truncated at the end of a string.
                body.replacing(
                    "\":\"",
                    with: Array("\":\"\u{2028}1234567\u{85}x".utf8) + [0xFF] + Array("\u{2029}".utf8) + [0xE2, 0x80])
            case .keys: body.replacing(",\"", with: Array(",\"\u{2029}".utf8) + [0x80] + Array("\":1,\"".utf8))
            case .tokens:
                body.replacing("\":-0", with: Array("\":NaN,\"x\":-0".utf8))
                    .replacing("\":", with: Array("\" : ".utf8))
            }
        }
    }

    @Test(arguments: WireSample.replies, Disturbance.allCases)
    func textsMarkedNormalAreNormal(sample: WireSample, disturbance: Disturbance) throws {
        let disturbed = disturbance.applied(to: sample.response.body)
        for reply in [try sample.injectedReply(), try sample.ownReply()] {
            let capture =
                sample.response.isEventStream
                ? StreamDriver.run(reply, disturbed).reply.captured() : readWhole(reply, disturbed).reply.captured()
            let response = capture.response.bytes
            if capture.response.isNormal { expectNormal(response) }
            for choice in capture.choices {
                for list in [choice.tokens, choice.tokenIDs, choice.logprobValues, choice.logprobs ?? JSONList()] {
                    expectNormal(list.array)
                }
            }
            for text in [capture.usage, capture.model, capture.responseID, capture.promptTokenIDs] {
                if let text { expectNormal(text) }
            }
        }
    }

    private func expectNormal(_ text: [UInt8], _ location: SourceLocation = #_sourceLocation) {
        var cursor = JSONCursor(options: .validUTF8)
        do throws(JSONError) {
            try cursor.skipValue(in: text.span)
            try cursor.expectEnd(in: text.span)
        } catch {
            Issue.record("\(error): \(String(decoding: text, as: UTF8.self))", sourceLocation: location)
            return
        }
        let normalized = JSONNormalizer.normalized(text.indices, of: text.span)
        #expect(normalized == text, sourceLocation: location)
    }
}

extension [UInt8] {
    fileprivate func replacing(_ pattern: String, with replacement: [UInt8]) -> [UInt8] {
        let pattern = Array(pattern.utf8)
        var result: [UInt8] = []
        var index = 0
        while let place = firstOffset(of: pattern, from: index) {
            result += self[index..<place]
            result += replacement
            index = place + pattern.count
        }
        return result + self[index...]
    }
}
