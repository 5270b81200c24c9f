namespace Cdp.Catalog;

/// <summary>
/// What bounds the catalogue: a write key is public, so anybody can send as many different names as they like. What is beyond a limit is
/// counted and not named.
/// </summary>
internal static class CatalogLimits
{
    /// <summary>Of one source, so that a flood through one source's key costs the others nothing.</summary>
    public const int Names = 300;

    public const int NameLength = 128;

    /// <summary>Of one event name from one source, at all levels together. With <see cref="Texts"/> it keeps a row within its limit.</summary>
    public const int Properties = 200;

    public const int PropertyNameLength = 64;

    /// <summary>Deeper values are counted as list or object and not looked into.</summary>
    public const int Depth = 8;

    /// <summary>Elements of a list that are looked at in each event.</summary>
    public const int Elements = 50;

    /// <summary>Event names that a process holds of a source between two flushes: it does not know which of them have a place.</summary>
    public const int HeldNames = 500;

    /// <summary>Properties that a process holds of a source between two flushes: some 5 MB with their examples.</summary>
    public const int HeldProperties = 10_000;

    /// <summary>Different texts of a property that are compared. A trait with more is no enumeration.</summary>
    public const int Texts = 20;

    /// <summary>Texts of a property that are shown.</summary>
    public const int ShownTexts = 10;

    /// <summary>Longer texts are never shown.</summary>
    public const int TextLength = 32;

    /// <summary>Numbers, and forms of texts that are not shown.</summary>
    public const int Examples = 5;

    /// <summary>A text is shown once so many profiles had it: what many share says nothing about any of them.</summary>
    public const int PeopleOfText = 5;
}
