using System.Runtime.ExceptionServices;
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
/// written stays for the next flush, and holds up no other row; a row that cannot be read is begun anew; a write whose answer got lost is recognised by its number while no other instance wrote since, and
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

    // So many in a row that cannot be written, and none that could: nothing can.
    private const int OutageAfter = 3;

    // Flushes that could write others, before one is given up.
    private const int MostTries = 5;

    private readonly StoredKey digestKey = new(rows, "catalog");
    private readonly string instance = Convert.ToHexStringLower(RandomNumberGenerator.GetBytes(8));
    private readonly Lock gate = new();
    private readonly SemaphoreSlim flushing = new(1, 1);

    // The names of sources that have no place left.
    private readonly Dictionary<string, (HashSet<string> Names, long At)> full = new(StringComparer.Ordinal);
    private List<SeenEvents> sending = [];
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
            // What the last flush could not write goes first; while nothing can be written, the notes alone grow, and they are bounded.
            var error = await SendAsync(cancellation);
            var secret = await digestKey.GetAsync(cancellation);
            lock (gate)
            {
                foreach (var seen in notes.Events)
                    sending.Add(seen);
                if (!notes.IsEmpty)
                    notes = new CatalogNotes();
            }

            foreach (var seen in sending)
            {
                if (seen.Write > 0)
                    continue;
                // Stays the same until the write is known to have taken effect.
                seen.Write = ++writes;
                seen.Properties.Seal(secret);
            }

            error = await SendAsync(cancellation) ?? error;
            if (error is not null)
                ExceptionDispatchInfo.Throw(error);
        }
        finally
        {
            flushing.Release();
        }
    }

    public void Dispose() => flushing.Dispose();

    /// <summary>Each once, in order. One that cannot be written holds up no other row.</summary>
    /// <returns>Why some could not be written.</returns>
    private async Task<Exception?> SendAsync(CancellationToken cancellation)
    {
        Exception? error = null;
        var (left, sent, written) = (new List<SeenEvents>(), 0, 0);
        try
        {
            for (; sent < sending.Count; sent++)
            {
                var seen = sending[sent];
                // What was noted later of the same name waits for it, so that the number of the last write tells.
                if (left.Exists(earlier => earlier.Name == seen.Name && earlier.Source == seen.Source))
                {
                    left.Add(seen);
                    continue;
                }

                try
                {
                    if (!await TryAddAsync(seen, cancellation))
                        await AddToOtherAsync(seen, cancellation);
                    written++;
                }
#pragma warning disable CA1031 // Whatever it is: it is thrown when the others are written, or at once where none can be.
                catch (Exception exception) when (!cancellation.IsCancellationRequested)
#pragma warning restore CA1031
                {
                    error ??= exception;
                    // It is not about these rows.
                    if (written == 0 && left.Count + 1 == OutageAfter)
                        throw;
                    left.Add(seen);
                }
            }

            // Never to be written, while others are: as if it had not been seen.
            left.RemoveAll(seen => written > 0 && ++seen.Tries >= MostTries);
            return error;
        }
        finally
        {
            left.AddRange(sending[sent..]);
            sending = left;
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
            var there = (row is null ? null : CatalogRows.TryRead(row, CatalogJson.Compact.SeenEvents)) ?? new SeenEvents { Name = name, Source = seen.Source };
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
                names = (row is null ? null : CatalogRows.TryRead(row, CatalogJson.Compact.SeenNames))?.Names ?? [];
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
