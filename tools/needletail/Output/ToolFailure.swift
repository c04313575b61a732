import Needletail
import NeedletailVision

/// What ends a command: the message for standard error, and the exit status that tells scripts what kind of failure it is.
package struct ToolFailure: Error, Sendable, Hashable, CustomStringConvertible {
    package var status: ExitStatus
    package var message: String

    package init(_ status: ExitStatus, _ message: String) {
        self.status = status
        self.message = message
    }

    package var description: String { message }

    /// The failure that `error` amounts to; `nil` where it is none of ours (the argument parser's, for instance).
    package init?(_ error: any Error) {
        switch error {
        case let error as ToolFailure: self = error
        case let error as PlacedFailure: self = error.failure
        case let error as InputError: self.init(error.status, error.description)
        case let error as NeedletailError: self.init(ExitStatus(error.code), error.message)
        case let error as VisionError: self.init(ExitStatus(error.code), error.message)
        default: return nil
        }
    }
}

extension ExitStatus {
    /// Usage is what another command line would mend; bad data is what the files or the database hold; the rest is the system's.
    package init(_ code: NeedletailError.Code) {
        switch code {
        case .invalidArgument, .unknownCollection, .collectionExists, .unknownIndex, .unknownField, .syntax: self = .usage
        case .dimensionMismatch, .invalidVector, .zeroVector, .duplicateID, .recordNotFound, .typeMismatch, .modelMismatch,
            .notADatabase, .newerFormat, .corrupt, .tooLarge:
            self = .badData
        case .readOnly, .mapFull, .diskFull, .busy, .indexConflict, .io, .closed: self = .io
        case .cancelled: self = .interrupted
        }
    }

    package init(_ code: VisionError.Code) {
        switch code {
        case .invalidArgument: self = .usage
        case .notFound, .io, .outOfMemory: self = .io
        case .unsupportedFormat, .truncated, .corrupt, .tooLarge, .unsupportedModel, .invalidModel, .missingTensor, .surplusTensor,
            .shapeMismatch:
            self = .badData
        }
    }
}
