/// What went wrong, where, and what to do about it.
///
/// Programs decide by ``code``, which never changes meaning; people read ``message``, which may be reworded.
/// After an error the data are as they were before the call.
public struct NeedletailError: Error, Sendable, Hashable, CustomStringConvertible {
    /// The kind of failure. Names are stable across versions.
    public enum Code: String, Sendable, Hashable, CaseIterable {
        /// An argument is out of its range.
        case invalidArgument
        /// A vector's length is not the collection's dimension.
        case dimensionMismatch
        /// A vector has a component that is NaN, infinite, or not representable in the collection's element type.
        case invalidVector
        /// A vector of zeros has no direction: cosine cannot use it.
        case zeroVector
        /// A record with this id exists already.
        case duplicateID
        /// No record has this id.
        case recordNotFound
        /// No collection has this name.
        case unknownCollection
        /// A collection of this name exists already.
        case collectionExists
        /// The collection has no index.
        case unknownIndex
        /// Another build of the collection's index runs, or was installed while this one ran.
        case indexConflict
        /// The schema has no field of this name.
        case unknownField
        /// A value's type is not the field's type.
        case typeMismatch
        /// Text (a filter, a statement) does not parse; ``NeedletailError/position`` says where.
        case syntax
        /// The query was made by another model than the collection's vectors.
        case modelMismatch
        /// The file is not a Needletail database.
        case notADatabase
        /// The file was written by a newer version of Needletail.
        case newerFormat
        /// The file is damaged.
        case corrupt
        /// The database was opened for reading only, or the file or folder cannot be written.
        case readOnly
        /// The reserved address space of the map is used up.
        case mapFull
        /// The disk is full.
        case diskFull
        /// Another process holds the write lock for longer than the busy timeout.
        case busy
        /// The operating system reported an error on reading or writing.
        case io
        /// The database was closed.
        case closed
        /// Something is larger than the format allows.
        case tooLarge
        /// The task was cancelled.
        case cancelled
    }

    /// The kind of failure.
    public var code: Code
    /// A sentence that names the culprit and the remedy.
    public var message: String
    /// The offset in characters at which text fails to parse.
    public var position: Int?
    /// The line of that place, counted from 1.
    public var line: Int?
    /// The place within its line, in characters, counted from 1.
    public var column: Int?
    /// What was expected, where it is a number: a dimension, a version.
    public var expected: Int?
    /// What was found instead.
    public var actual: Int?
    /// The position of the culprit in the batch handed in, counted from 0.
    public var row: Int?
    /// The file concerned.
    public var path: String?

    /// Makes an error; facts that do not apply stay `nil`.
    public init(
        _ code: Code, _ message: String, position: Int? = nil, expected: Int? = nil, actual: Int? = nil,
        row: Int? = nil, path: String? = nil
    ) {
        self.code = code
        self.message = message
        self.position = position
        self.expected = expected
        self.actual = actual
        self.row = row
        self.path = path
    }

    /// The message.
    public var description: String { message }
}
