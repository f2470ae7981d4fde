import NIOHTTP1
package import VerbatimHTTP
import VerbatimJSON

extension ErrorFormat {
    /// `{"error":{"message":…,"type":…,"param":null,"code":…}}`
    package static let openAI = ErrorFormat { error in
        JSONWriter.bytes { json in
            json.object { json in
                json.key("error")
                json.raw(error.openAIObject)
            }
        }
    }

    /// `{"type":"error","error":{"type":…,"message":…}}`
    package static let anthropic = ErrorFormat { error in
        JSONWriter.bytes { json in
            json.object { json in
                json.member("type", "error")
                json.object("error") { json in
                    json.member("type", error.anthropicType)
                    json.member("message", error.message)
                }
            }
        }
    }
}

extension ErrorResponse {
    /// The inner object of OpenAI's format, as it is written to a record's `upstream_error`.
    package var openAIObject: [UInt8] {
        JSONWriter.bytes { json in
            json.object { json in
                json.member("message", message)
                json.member("type", openAIType)
                json.member("param", String?.none)
                json.member("code", code)
            }
        }
    }

    private var openAIType: String {
        // OpenAI's type for an account whose quota is used up, after which agents give up.
        if status == .tooManyRequests && isFinal { return "insufficient_quota" }
        return switch side {
        case .client: "invalid_request_error"
        case .server: "server_error"
        case .upstream: "upstream_error"
        }
    }

    /// The type that Anthropic's API gives to errors of this status.
    fileprivate var anthropicType: String {
        switch status {
        case .unauthorized: "authentication_error"
        case .forbidden: "permission_error"
        case .payloadTooLarge, .requestHeaderFieldsTooLarge: "request_too_large"
        case .tooManyRequests: "rate_limit_error"
        case .gatewayTimeout, .requestTimeout: "timeout_error"
        case .serviceUnavailable: "overloaded_error"
        case .badGateway: "api_error"
        default: "invalid_request_error"
        }
    }
}
