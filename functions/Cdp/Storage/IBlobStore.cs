namespace Cdp.Storage;

/// <summary>Blobs: whole ones, and logs that grow by appending.</summary>
public interface IBlobStore
{
    /// <summary>Writes a whole blob, replacing what was there.</summary>
    Task PutAsync(ContainerName container, string name, ReadOnlyMemory<byte> data, CancellationToken cancellation);

    /// <summary>Reads a whole blob; null where there is none.</summary>
    Task<ReadOnlyMemory<byte>?> GetAsync(ContainerName container, string name, CancellationToken cancellation);

    /// <summary>
    /// Reads a stretch of a blob: <paramref name="count"/> bytes from <paramref name="from"/> on, fewer where the blob ends before, none from its end on. Null
    /// where there is no blob.
    /// </summary>
    Task<BlobPiece?> ReadAsync(ContainerName container, string name, long from, int count, CancellationToken cancellation);

    /// <summary>Deletes a blob; no error where there is none.</summary>
    Task DeleteAsync(ContainerName container, string name, CancellationToken cancellation);

    /// <summary>
    /// Appends at exactly <paramref name="position"/>; 0 creates the blob. False, and nothing written, where the blob does not end
    /// there (or exists already, for position 0), so that an append repeated after a time-out is not doubled.
    /// </summary>
    Task<bool> AppendAsync(ContainerName container, string name, long position, ReadOnlyMemory<byte> data, CancellationToken cancellation);

    /// <summary>Names that start with <paramref name="prefix"/>, in order.</summary>
    IAsyncEnumerable<string> ListAsync(ContainerName container, string prefix, CancellationToken cancellation);
}

/// <param name="Length">Of the whole blob.</param>
/// <param name="Version">Changes with every write of the blob.</param>
public sealed record BlobPiece(ReadOnlyMemory<byte> Data, long Length, string Version);

public enum ContainerName
{
    /// <summary>Every event as it was taken, one JSON text a line.</summary>
    Raw,

    /// <summary>Queue messages too large for the queue.</summary>
    Overflow,

    /// <summary>What left as files: see <c>Exports/</c>.</summary>
    Exports,

    /// <summary>What destinations of type <c>blob</c> are sent.</summary>
    Feeds,

    /// <summary>Files that come in, and what was wrong with them: see <c>Imports/</c>.</summary>
    Imports,
}
