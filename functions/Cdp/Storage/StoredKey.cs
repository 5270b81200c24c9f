using System.Security.Cryptography;

namespace Cdp.Storage;

/// <summary>
/// A random key that all instances share, in table <c>config</c>, partition <c>keys</c>: the first who needs it makes it by insert, and everybody reads the winner's.
/// </summary>
/// <param name="name">The row.</param>
public sealed class StoredKey(IRowStore rows, string name)
{
    private const string Partition = "keys";
    private const int Bytes = 32;

    private byte[]? key;

    public async ValueTask<byte[]> GetAsync(CancellationToken cancellation)
    {
        if (key is { } known)
            return known;
        var row = await rows.GetAsync(TableName.Config, Partition, name, cancellation);
        if (row is null)
        {
            await rows.CommitAsync(TableName.Config, Partition, [RowWrite.Insert(name, RandomNumberGenerator.GetBytes(Bytes))], cancellation);
            row = await rows.GetAsync(TableName.Config, Partition, name, cancellation) ?? throw new InvalidDataException($"The key {name} vanished while it was made.");
        }

        return key = row.Data.ToArray();
    }
}
