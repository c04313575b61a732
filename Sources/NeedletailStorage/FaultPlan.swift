/// Tells ``LMDBCalls`` which call must fail: a test hands one in with the options, the product never does.
///
/// The plan counts the calls it watches; number `first` fails with `code`, and with `persistent` all later ones too.
package final class FaultPlan: @unchecked Sendable {
    /// The calls that can fail.
    package enum Call: CaseIterable, Sendable {
        case open, beginRead, beginWrite, commit, openDatabase, get, put, delete, openCursor, move
        case sync, status, readFile, lock, allocate
    }

    private let lock = Lock()
    private var calls: Set<Call> = []
    private var countdown = 0
    private var code: Int32 = 0
    private var persistent = false
    private var armed = false
    private var count = 0

    package init() {}

    /// From now on let the `first`-th watched call (from 1) fail.
    package func arm(failing calls: Set<Call>, first: Int, code: Int32, persistent: Bool) {
        lock.withLock {
            self.calls = calls
            countdown = first
            self.code = code
            self.persistent = persistent
            armed = true
            count = 0
        }
    }

    /// Lets everything succeed again; the result tells whether any call had failed.
    @discardableResult
    package func disarm() -> Bool {
        lock.withLock {
            armed = false
            return count > 0
        }
    }

    func next(_ call: Call) -> Int32? {
        lock.withLock {
            guard armed, calls.contains(call) else { return nil }
            countdown -= 1
            guard countdown == 0 || (persistent && countdown < 0) else { return nil }
            count += 1
            return code
        }
    }
}
