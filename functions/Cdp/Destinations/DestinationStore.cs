using System.Text.Json;
using Cdp.Sources;
using Cdp.Storage;

namespace Cdp.Destinations;

/// <summary>
/// The destinations, in table <c>config</c>: partition <c>destinations</c>, row key the id, data JSON. One that is deleted stays as a note until its deliveries are
/// removed; to everybody else it is gone.
/// </summary>
public sealed class DestinationStore(IRowStore rows)
{
    private const string Partition = "destinations";
    private const int PageSize = 1000;

    // Somebody else would have to write between read and write as often as this.
    private const int MostTries = 10;

    public async Task<(Destination Destination, string Version)?> GetAsync(string id, CancellationToken cancellation) =>
        await FindAsync(id, cancellation) is { Destination.DeletedAt: null } found ? found : null;

    /// <summary>By id.</summary>
    public async Task<IReadOnlyList<Destination>> ListAsync(CancellationToken cancellation)
    {
        var destinations = new List<Destination>();
        await foreach (var (destination, _) in AllAsync(cancellation))
        {
            if (destination.DeletedAt is null)
                destinations.Add(destination);
        }

        return destinations;
    }

    /// <summary>Those that are deleted too.</summary>
    public async IAsyncEnumerable<(Destination Destination, string Version)> AllAsync([System.Runtime.CompilerServices.EnumeratorCancellation] CancellationToken cancellation)
    {
        await foreach (var row in rows.RangeAsync(TableName.Config, Partition, "", "~", PageSize, cancellation))
            yield return (Read(row), row.Version);
    }

    /// <summary>Reads, changes and writes under the version that was read, so that no other change is lost.</summary>
    /// <param name="change">What becomes of the destination (null: there is none) and its version; may be called again.</param>
    public async Task<(Destination Destination, string Version, bool Created)> ChangeAsync(
        string id, Func<Destination?, string?, Task<Destination>> change, CancellationToken cancellation)
    {
        for (var tries = 0; tries < MostTries; tries++)
        {
            var present = await FindAsync(id, cancellation);
            var isThere = present is { Destination.DeletedAt: null };
            var destination = await change(isThere ? present!.Value.Destination : null, isThere ? present!.Value.Version : null);
            var data = JsonSerializer.SerializeToUtf8Bytes(destination, DestinationJson.Default.Destination);
            var write = present is { } found ? RowWrite.Replace(id, data, found.Version) : RowWrite.Insert(id, data);
            var result = await rows.CommitAsync(TableName.Config, Partition, [write], cancellation);
            if (result.Committed)
                return (destination, result.Versions[0]!, !isThere);
        }

        throw new ConflictException($"The destination {id} was changed by others {MostTries} times in a row.");
    }

    /// <summary>The note of a deletion goes where nothing is left; false where the id has been taken again.</summary>
    public async Task<bool> ForgetAsync(string id, string version, CancellationToken cancellation) =>
        (await rows.CommitAsync(TableName.Config, Partition, [RowWrite.Delete(id, version)], cancellation)).Committed;

    private async Task<(Destination Destination, string Version)?> FindAsync(string id, CancellationToken cancellation)
    {
        if (!SourceIds.IsValid(id))
            return null;
        return await rows.GetAsync(TableName.Config, Partition, id, cancellation) is { } row ? (Read(row), row.Version) : null;
    }

    private static Destination Read(Row row) => JsonSerializer.Deserialize(row.Data.Span, DestinationJson.Default.Destination)
        ?? throw new InvalidDataException("The row of a destination is null.");
}
