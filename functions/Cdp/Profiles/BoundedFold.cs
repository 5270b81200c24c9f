using Cdp.Events;
using Cdp.Identity;

namespace Cdp.Profiles;

/// <summary>
/// Folds a timeline into a document that has to stay within its row: among the events are those whose traits a commit had refused. What is too much
/// stays on its event, as there.
/// </summary>
/// <param name="length">At most what the document takes encoded.</param>
internal sealed class BoundedFold(Profile profile, int length)
{
    // Each trait repeats the messageId, which compresses well.
    private const int MostGrowth = 4;

    private int encoded = length;

    // At most what the document has grown since it was encoded.
    private int grown;

    public Profile Profile { get; private set; } = profile;

    /// <summary>See <see cref="Profile.Apply"/>.</summary>
    public void Apply(Event e, IReadOnlyList<Identifier> identifiers)
    {
        grown += e.Type == EventType.Identify ? MostGrowth * e.Json.Length : 0;
        if (encoded + grown <= ProfileCodec.MostMergedBytes)
        {
            Profile.Apply(e, identifiers);
            return;
        }

        var before = ProfileCodec.Encode(Profile);
        Profile.Apply(e, identifiers);
        encoded = ProfileCodec.Encode(Profile).Length;
        grown = 0;
        if (encoded <= ProfileCodec.MostMergedBytes)
            return;
        Profile = ProfileCodec.Decode(Profile.Id, before);
        Profile.Apply(e, identifiers, withTraits: false);
        encoded = before.Length;
    }
}
