using System.Collections.Frozen;
using System.Security.Cryptography;
using System.Text;
using System.Text.RegularExpressions;

namespace Cdp.Identity;

/// <summary>
/// Values that software or staff write where they know nobody. Taken for identifiers they would join strangers, so they are none.
/// Compared trimmed and ignoring case.
/// </summary>
public sealed class BlockedValues
{
    /// <summary>Characters of one pattern; what is longer is a list of values and should be one.</summary>
    public const int LongestPattern = 200;

    // Values are senders': the time to match one has to be linear in its length, whatever the pattern.
    private const RegexOptions PatternOptions = RegexOptions.NonBacktracking | RegexOptions.CultureInvariant | RegexOptions.IgnoreCase;

    private static readonly string[] Words =
        ["-1", "null", "anonymous", "guest", "undefined", "true", "false", "nan", "none", "[object object]"];

    // RFC 2606 sets these domains aside for documentation and tests.
    private static readonly string[] ExampleDomains = ["@example.com", "@example.org", "@example.net"];

    // Not every address in an example domain: demos and tests of whole shops live there.
    private static readonly string[] PlaceholderNames = ["test", "example", "user", "email", "name", "you", "noreply"];

    private static readonly FrozenSet<string> BuiltIn = MakeBuiltIn();

    /// <summary>What is blocked without any configuration: <c>^[0-]*$</c>, words such as <c>null</c>, placeholder addresses, and the SHA-256 of all these.</summary>
    public static readonly BlockedValues Default = new([], []);

    private readonly FrozenSet<string> exact;
    private readonly Regex[] patterns;

    /// <param name="values">Blocked exactly.</param>
    /// <param name="patterns">Regular expressions; a value in which one is found is blocked. Each has to pass <see cref="Refusal"/>.</param>
    /// <param name="defaults">The built-in values are blocked too.</param>
    public BlockedValues(IReadOnlyList<string> values, IReadOnlyList<string> patterns, bool defaults = true)
    {
        Values = values;
        Patterns = patterns;
        Defaults = defaults;
        exact = values.Select(value => value.Trim()).ToFrozenSet(StringComparer.OrdinalIgnoreCase);
        this.patterns = [.. patterns.Select(pattern => new Regex(pattern, PatternOptions))];
    }

    public IReadOnlyList<string> Values { get; }

    public IReadOnlyList<string> Patterns { get; }

    public bool Defaults { get; }

    /// <summary>Why a text cannot be a pattern; null where it can.</summary>
    public static string? Refusal(string pattern)
    {
        if (pattern.Length is 0 or > LongestPattern)
            return $"not a pattern of 1 to {LongestPattern} characters";
        try
        {
            _ = new Regex(pattern, PatternOptions);
            return null;
        }
        catch (NotSupportedException exception)
        {
            // Look-arounds, back-references, atomic groups, and repetitions that multiply.
            return "cannot be matched in linear time: " + exception.Message;
        }
        catch (ArgumentException exception)
        {
            return "not a regular expression: " + exception.Message;
        }
    }

    /// <param name="value">Trimmed.</param>
    public bool Contains(string value)
    {
        if (Defaults && (!value.AsSpan().ContainsAnyExcept('0', '-') || BuiltIn.Contains(value)))
            return true;
        if (exact.Count > 0 && exact.Contains(value))
            return true;
        foreach (var pattern in patterns)
        {
            if (pattern.IsMatch(value))
                return true;
        }

        return false;
    }

    private static FrozenSet<string> MakeBuiltIn()
    {
        var addresses = ExampleDomains.SelectMany(domain => PlaceholderNames.Select(name => name + domain));
        var plain = Words.Concat(addresses).ToList();
        // Who hashes before sending hashes these too, and an empty field.
        var hashed = plain.Append("").Append("0").Select(text => Convert.ToHexStringLower(SHA256.HashData(Encoding.UTF8.GetBytes(text))));
        return plain.Concat(hashed).ToFrozenSet(StringComparer.OrdinalIgnoreCase);
    }
}
