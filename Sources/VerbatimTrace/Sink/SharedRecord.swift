/// A record with several holders. Copying a ``TurnRecord`` instead would retain some twenty buffers each time.
package final class SharedRecord: Sendable {
    package let record: TurnRecord

    package init(_ record: TurnRecord) { self.record = record }
}
