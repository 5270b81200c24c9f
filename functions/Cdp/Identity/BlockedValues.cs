using System.Collections.Frozen;

namespace Cdp.Identity;

/// <summary>
/// Values that software writes where it knows nobody. Taken for identifiers they would join strangers, so they are none.
/// Compared trimmed and ignoring case.
/// </summary>
public static class BlockedValues
{
    private static readonly FrozenSet<string> Words = new[]
    {
        "-1", "null", "anonymous", "guest", "undefined", "true", "false", "nan", "none", "[object object]",
    }.ToFrozenSet(StringComparer.OrdinalIgnoreCase);

    // RFC 2606 sets these domains aside for documentation and tests.
    private static readonly string[] ExampleDomains = ["@example.com", "@example.org", "@example.net"];

    /// <param name="value">Trimmed.</param>
    public static bool Contains(string value)
    {
        if (!value.AsSpan().ContainsAnyExcept('0', '-'))
            return true;
        if (Words.Contains(value))
            return true;
        foreach (var domain in ExampleDomains)
        {
            if (value.EndsWith(domain, StringComparison.OrdinalIgnoreCase) && IsPlaceholder(value.AsSpan(0, value.Length - domain.Length)))
                return true;
        }

        return false;
    }

    // Not every address in an example domain: demos and tests of whole shops live there.
    private static bool IsPlaceholder(ReadOnlySpan<char> local) =>
        local.Equals("test", StringComparison.OrdinalIgnoreCase)
        || local.Equals("example", StringComparison.OrdinalIgnoreCase)
        || local.Equals("user", StringComparison.OrdinalIgnoreCase)
        || local.Equals("email", StringComparison.OrdinalIgnoreCase)
        || local.Equals("name", StringComparison.OrdinalIgnoreCase)
        || local.Equals("you", StringComparison.OrdinalIgnoreCase)
        || local.Equals("noreply", StringComparison.OrdinalIgnoreCase);
}
