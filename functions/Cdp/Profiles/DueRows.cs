using Cdp.Events;
using Cdp.Storage;

namespace Cdp.Profiles;

/// <summary>
/// Keeps the row <c>d|</c> of a profile and <see cref="Profile.Due"/> the same: whoever writes the document with these writes, in one transaction, leaves
/// exactly the row that the document names. At most one call for a transaction.
/// </summary>
public static class DueRows
{
    /// <summary>Exactly then; null for never.</summary>
    public static void Set(Profile document, Instant? at, List<RowWrite> writes)
    {
        // A window that reaches back before 1970 has no key of its own.
        if (at is { Milliseconds: < 0 })
            at = new Instant(0);
        if (document.Due == at)
            return;
        if (document.Due is { } before)
            writes.Add(RowWrite.Delete(ProfileRows.Due(document.Id, before)));
        if (at is { } next)
            writes.Add(RowWrite.Insert(ProfileRows.Due(document.Id, next), default));
        document.Due = at;
    }

    /// <summary>
    /// Then at the latest. What is due earlier stays: it costs one evaluation in vain, where moving it costs two rows with each event of somebody who browses.
    /// </summary>
    public static void Bring(Profile document, Instant at, List<RowWrite> writes)
    {
        if (document.Due is not { } present || at < present)
            Set(document, at, writes);
    }
}
