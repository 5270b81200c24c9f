using System.Text;
using Cdp.Profiles;

namespace Cdp.Tests.Profiles;

/// <summary>Everything of a document that its events determine, as text to compare. The version and the decisions depend on how it came about.</summary>
public static class ProfileDump
{
    public static string Of(Profile profile)
    {
        var text = new StringBuilder();
        text.AppendLine($"events {profile.EventCount} created {profile.CreatedAt} seen {profile.FirstSeenAt} to {profile.LastSeenAt}");
        foreach (var owned in profile.Identifiers.OrderBy(i => i.Identifier.ToString(), StringComparer.Ordinal))
            text.AppendLine($"identifier {owned.Identifier} {owned.FirstSeenAt} {owned.LastSeenAt} {owned.SourceId} {owned.MessageId}");
        foreach (var (name, trait) in profile.Traits.OrderBy(t => t.Key, StringComparer.Ordinal))
            text.AppendLine($"trait {name} = {Encoding.UTF8.GetString(trait.Value.Span)} at {trait.At} by {trait.MessageId} of {trait.SourceId}");
        return text.ToString();
    }
}
