import NeedletailStorage

extension NeedletailError {
    /// The public form of what storage threw.
    init(_ error: StorageError) {
        let code: Code =
            switch error.code {
            case .notADatabase: .notADatabase
            case .newerFormat: .newerFormat
            case .corrupt: .corrupt
            case .readOnly: .readOnly
            case .mapFull: .mapFull
            case .diskFull: .diskFull
            case .busy: .busy
            case .ioError, .notFound: .io
            case .duplicateKey: .duplicateID
            case .unknownTable: .unknownCollection
            case .tableExists: .collectionExists
            case .tooLarge: .tooLarge
            case .invalidArgument: .invalidArgument
            case .closed: .closed
            case .indexConflict: .indexConflict
            }
        self.init(
            code, error.message, expected: error.expected, actual: error.actual, row: error.row, path: error.path)
    }
}
