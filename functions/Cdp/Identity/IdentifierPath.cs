namespace Cdp.Identity;

/// <summary>
/// Where in an event a type is read from: <c>userId</c>, <c>anonymousId</c>, or names joined by dots that begin with <c>traits</c>,
/// <c>properties</c> or <c>context</c>, such as <c>context.device.id</c>. Names are case-sensitive, and one with a dot in it cannot be named.
/// </summary>
public static class IdentifierPath
{
    public const string UserId = "userId";
    public const string AnonymousId = "anonymousId";

    internal const string Traits = "traits";
    internal const string Properties = "properties";
    internal const string Context = "context";
    internal const string ExternalIds = "externalIds";

    /// <summary>Why a text cannot be a path; null where it can.</summary>
    public static string? Refusal(string path)
    {
        if (path is UserId or AnonymousId)
            return null;
        var names = path.Split('.');
        if (names.Length < 2 || names[0] is not (Traits or Properties or Context) || Array.Exists(names, static name => name.Length == 0))
            return $"neither {UserId} nor {AnonymousId} nor names joined by dots from {Traits}, {Properties} or {Context} on";
        return names is [Context, ExternalIds, ..] ? $"every type is read from {Context}.{ExternalIds}: leave it out" : null;
    }
}
