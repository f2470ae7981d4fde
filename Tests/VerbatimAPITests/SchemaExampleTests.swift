import Foundation
import Testing

@testable import VerbatimAPI

/// JSON that satisfies a schema and says something.
@Suite struct SchemaExampleTests {
    @Test(arguments: [
        (
            #"{"type":"object","properties":{"a":{"type":"string"},"b":{"type":"string"}},"required":["b"]}"#,
            #"{"b":"x\n"}"#
        ),
        (#"{"properties":{"a":{"type":["null","integer"]}},"required":["a"]}"#, #"{"a":0}"#),
        (#"{"type":"object","required":["q\"\u00e9"]}"#, #"{"q\"é":"x\n"}"#),
        (#"{"type":"array","items":{"type":"boolean"},"minItems":2}"#, "[false,false]"),
        (#"{"type":"array","items":{"type":"boolean"}}"#, "[]"),
        (#"{"type":"array","minItems":1}"#, "[null]"),
        (#"{"type":"integer","minimum":3}"#, "3"), (#"{"type":"integer","maximum":-3}"#, "-3"),
        (#"{"type":"number","exclusiveMinimum":0}"#, "1"), (#"{"type":"number","exclusiveMaximum":0}"#, "-1"),
        (#"{"enum":["a","b"]}"#, #""a""#), (#"{"const":{"k":[1]}}"#, #"{"k":[1]}"#), (#"{"type":"null"}"#, "null"),
        (#"{"anyOf":[{"type":"null"},{"type":"integer"}]}"#, "0"), (#"{"oneOf":[{"type":"null"}]}"#, "null"),
        (##"{"allOf":[{"$ref":"#/$defs/S"}],"$defs":{"S":{"type":"boolean"}}}"##, "false"),
        (##"{"$ref":"#/definitions/a~1b","definitions":{"a/b":{"type":"integer"}}}"##, "0"),
        (#"{"$ref":"https://example.com/schema"}"#, #""x\n""#),
        (#"{"type":"string","maxLength":1}"#, #""x""#), (#"{"type":"string","format":"date"}"#, #""1970-01-01""#),
        ("true", #""x\n""#), ("{}", #""x\n""#),
    ])
    func examplesSatisfyTheirSchema(schema: String, text: String) {
        #expect(SchemaExample(of: Array(schema.utf8), saying: "x\n").text == text)
    }

    @Test func schemasWithoutAnEndGiveValuesOfBoundedSize() throws {
        let tree =
            ##"{"$ref":"#/$defs/T","$defs":{"T":{"type":"object","properties":{"l":{"$ref":"#/$defs/T"},"r":{"$ref":"#/$defs/T"}},"required":["l","r"]}}}"##
        let loop = ##"{"$ref":"#"}"##
        for schema in [tree, loop, #"{"type":"array","minItems":9000000000}"#] {
            let text = SchemaExample(of: Array(schema.utf8), saying: "x").text
            #expect(text.utf8.count < 100_000)
            _ = try JSONSerialization.jsonObject(with: Data(text.utf8), options: .fragmentsAllowed)
        }
    }
}
