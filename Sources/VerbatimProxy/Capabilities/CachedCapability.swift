import NIOCore
import VerbatimAPI

/// What an engine has been found to accept, under one ``CapabilityKey``.
struct CachedCapability {
    /// What a capability rests on.
    enum Standing {
        /// The engine accepts what the limits leave. It holds for all sessions.
        case shared
        /// A turn of the session has failed with more, and succeeded with this.
        case own
        /// A turn of the session has been rejected with more, and has not been accepted with less yet.
        case tentative
        /// A turn of the session has failed with more, too late for a repeat.
        case late
    }

    /// What may be injected.
    let limits: InjectionLimits
    /// What has been injected within these limits and accepted. An agent may request some of the data itself, so that
    /// one turn need not inject everything that is allowed.
    var accepted: Injection
    /// What turns that came to their end had injected.
    var succeeded: Injection?
    var expiry: NIODeadline
    var standing = Standing.shared

    mutating func note(succeeded injection: Injection) {
        if succeeded == nil { succeeded = injection } else { succeeded?.formUnion(injection) }
    }
}
