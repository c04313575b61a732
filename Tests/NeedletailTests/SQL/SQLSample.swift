import Needletail
import NeedletailTestSupport
import Testing

/// A small collection of photos, made by statements.
struct SQLSample {
    let folder: TemporaryFolder
    let database: Database

    /// Six photos along a line, at 0, 1, 2 … of the first axis: so the distance to a point of it is easily told.
    init(metric: String = "l2") async throws {
        folder = try TemporaryFolder()
        database = try Database(path: folder.path("photos.ntl"))
        try await database.query(
            """
            CREATE COLLECTION photos (
                embedding VECTOR(2), label STRING INDEXED, price DOUBLE, year INT INDEXED, sold BOOL, taken TIMESTAMP, tags STRING[]
            ) WITH (metric = \(metric))
            """)
        let offset = metric == "l2" ? 0 : 1  // Cosine knows no direction of zeros.
        try await database.query(
            """
            INSERT INTO photos (id, embedding, label, price, year, sold, taken, tags) VALUES
                ('a', [\(0 + offset), \(offset)], 'cat',  1.5,  2020, TRUE,  '2020-05-01', ['furry', 'small']),
                ('b', [\(1 + offset), \(offset)], 'dog',  2,    2021, FALSE, '2021-05-01', ['furry']),
                ('c', [\(2 + offset), \(offset)], 'cat',  3.25, 2022, TRUE,  NULL,         []),
                ('d', [\(3 + offset), \(offset)], 'bird', NULL, 2023, FALSE, '2023-05-01T12:00:00Z', ['small']),
                ('e', [\(4 + offset), \(offset)], NULL,   5,    2024, NULL,  '2024-05-01', NULL),
                (6,   [\(5 + offset), \(offset)], 'dog',  6,    2025, TRUE,  '2025-05-01', ['furry', 'it''s'])
            """)
    }

    /// The rows of a statement.
    func rows(_ statement: String, _ parameters: any QueryParameter...) async throws -> [[QueryValue]] {
        try await database.prepare(statement).run(parameters: parameters).rows
    }

    /// The values of the first column.
    func ids(_ statement: String, _ parameters: any QueryParameter...) async throws -> [QueryValue] {
        try await database.prepare(statement).run(parameters: parameters).rows.map { $0[0] }
    }

    /// The error of a statement, which must have one.
    func error(_ statement: String, _ parameters: any QueryParameter..., options: QueryOptions = QueryOptions()) async -> NeedletailError? {
        await #expect(throws: NeedletailError.self) {
            try await database.prepare(statement).run(parameters: parameters, options: options)
        }
    }
}
