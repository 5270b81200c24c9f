using System.Security.Cryptography;
using System.Text.Json;
using Cdp.Events;
using Cdp.Profiles;
using Cdp.Storage;

namespace Cdp.Catalog;

/// <summary>
/// Notes committed events in memory and adds them to table <c>catalog</c> every <see cref="FlushEvery"/>, one row for an event name of a
/// source.
/// </summary>
/// <remarks>
/// <para>
/// Each row is read, added to and written under its version, so instances that flush at once lose nothing of each other. What cannot be
/// written stays for the next flush; a write whose answer got lost is recognised by its number while no other instance wrote since, and
/// is counted twice otherwise. A crash loses the notes since the last flush: counts stay too low, names come again with their next event.
/// </para>
/// <para>
/// Memory and rows are bounded by <see cref="CatalogLimits"/>: names beyond are counted as <see cref="EventNames.Other"/>, properties as unnamed.
/// </para>
/// </remarks>
public sealed class CatalogRecorder(IRowStore rows, TimeProvider time) : IDisposable
{
    public static readonly TimeSpan FlushEvery = TimeSpan.FromSeconds(30);

    // A source that is full is looked at again after this long: somebody may have emptied its catalogue.
    private static readonly TimeSpan FullFor = TimeSpan.FromMinutes(10);

    private readonly string instance = Convert.ToHexStringLower(RandomNumberGenerator.GetBytes(8));
    private readonly Lock gate = new();
    private readonly SemaphoreSlim flushing = new(1, 1);

    // The names of sources that have no place left.
    private readonly Dictionary<string, (HashSet<string> Names, long At)> full = new(StringComparer.Ordinal);
    private readonly Queue<SeenEvents> sending = [];
    private CatalogNotes notes = new();
    private long writes;

    /// <summary>Takes note of an event that was committed to a profile, for the first time.</summary>
    public void Note(Event e, ProfileId profile)
    {
        lock (gate)
            notes.Add(e, profile);
    }

    /// <summary>Writes what was noted since the last time. What cannot be written stays for the next time.</summary>
    public async Task FlushAsync(CancellationToken cancellation)
    {
        await flushing.WaitAsync(cancellation);
        try
        {
            // What the last flush could not write goes first; until it is written, the notes alone grow, and they are bounded.
            await SendAsync(cancellation);
            lock (gate)
            {
                if (notes.IsEmpty)
                    return;
                foreach (var seen in notes.Events)
                    sending.Enqueue(seen);
                notes = new CatalogNotes();
            }

            await SendAsync(cancellation);
        }
        finally
        {
            flushing.Release();
        }
    }

    public void Dispose() => flushing.Dispose();

    private async Task SendAsync(CancellationToken cancellation)
    {
        while (sending.TryPeek(out var seen))
        {
            // Stays the same until the write is known to have taken effect.
            if (seen.Write == 0)
                seen.Write = ++writes;
            if (!await TryAddAsync(seen, cancellation))
                await AddToOtherAsync(seen, cancellation);
            sending.Dequeue();
        }
    }

    /// <summary>False where the source has no place for another name.</summary>
    private async Task<bool> TryAddAsync(SeenEvents seen, CancellationToken cancellation)
    {
        if (full.TryGetValue(seen.Source, out var known) && time.GetElapsedTime(known.At) < FullFor && !known.Names.Contains(seen.Name) && HasToBeAdmitted(seen))
            return false;
        var key = CatalogRows.Events(seen.Name, seen.Source);
        if (HasToBeAdmitted(seen) && await rows.GetAsync(TableName.Catalog, CatalogRows.Seen, key, cancellation) is null && !await AdmitAsync(seen, cancellation))
            return false;
        await AddAsync(key, seen.Name, seen, cancellation);
        return true;
    }

    private Task AddToOtherAsync(SeenEvents seen, CancellationToken cancellation)
    {
        var counted = new SeenEvents { Name = EventNames.Other, Source = seen.Source, Count = seen.Count, First = seen.First, Last = seen.Last, Write = seen.Write };
        return AddAsync(CatalogRows.Events(EventNames.Other, seen.Source), EventNames.Other, counted, cancellation);
    }

    private Task AddAsync(string key, string name, SeenEvents seen, CancellationToken cancellation) => CatalogRows.ChangeAsync(
        rows, CatalogRows.Seen, key,
        row =>
        {
            var there = row is null ? new SeenEvents { Name = name, Source = seen.Source } : CatalogRows.Read(row, CatalogJson.Compact.SeenEvents);
            if (there.By == instance && there.Write == seen.Write)
                return null;
            there.Add(seen, CatalogLimits.Properties);
            (there.By, there.Write) = (instance, seen.Write);
            return JsonSerializer.SerializeToUtf8Bytes(there, CatalogJson.Compact.SeenEvents);
        },
        cancellation);

    // Names of our own always have a place.
    private static bool HasToBeAdmitted(SeenEvents seen) => !EventNames.IsReserved(seen.Name) && seen.Name != EventNames.Other;

    private async Task<bool> AdmitAsync(SeenEvents seen, CancellationToken cancellation)
    {
        List<string> names = [];
        var admitted = true;
        await CatalogRows.ChangeAsync(
            rows, CatalogRows.Seen, CatalogRows.Names(seen.Source),
            row =>
            {
                names = row is null ? [] : CatalogRows.Read(row, CatalogJson.Compact.SeenNames).Names;
                admitted = names.Contains(seen.Name);
                if (admitted || names.Count >= CatalogLimits.Names)
                    return null;
                admitted = true;
                names.Add(seen.Name);
                return JsonSerializer.SerializeToUtf8Bytes(new SeenNames(names), CatalogJson.Compact.SeenNames);
            },
            cancellation);
        if (names.Count >= CatalogLimits.Names)
            full[seen.Source] = (names.ToHashSet(StringComparer.Ordinal), time.GetTimestamp());
        else
            full.Remove(seen.Source);
        return admitted;
    }
}
