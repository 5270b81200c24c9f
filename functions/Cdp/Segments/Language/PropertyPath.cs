using System.Collections.Immutable;

namespace Cdp.Segments.Language;

/// <summary>One name of a path; <paramref name="EachElement"/> where it is written with <c>[]</c>.</summary>
public readonly record struct PathStep(string Name, bool EachElement);

/// <summary>
/// A dotted path, such as <c>properties.products[].category</c>. Dots mean nesting; a list on the way is passed through, any of its elements will
/// do; <c>[]</c> says besides that several filters speak of the same element.
/// </summary>
public sealed class PropertyPath : IEquatable<PropertyPath>
{
    public const int MostSteps = 16;
    public const int Longest = 256;

    private PropertyPath(string text, ImmutableArray<PathStep> steps)
    {
        Text = text;
        Steps = steps;
    }

    public string Text { get; }

    public ImmutableArray<PathStep> Steps { get; }

    /// <summary>Null where the text is no path.</summary>
    public static PropertyPath? TryParse(string text)
    {
        if (text.Length is 0 or > Longest)
            return null;
        var names = text.Split('.');
        if (names.Length > MostSteps)
            return null;
        var steps = ImmutableArray.CreateBuilder<PathStep>(names.Length);
        foreach (var name in names)
        {
            var each = name.EndsWith("[]", StringComparison.Ordinal);
            var plain = each ? name[..^2] : name;
            if (plain.Length == 0 || plain.Contains('[', StringComparison.Ordinal) || plain.Contains(']', StringComparison.Ordinal))
                return null;
            steps.Add(new PathStep(plain, each));
        }

        return new PropertyPath(text, steps.MoveToImmutable());
    }

    public bool Equals(PropertyPath? other) => other is not null && Text == other.Text;

    public override bool Equals(object? obj) => Equals(obj as PropertyPath);

    public override int GetHashCode() => Text.GetHashCode(StringComparison.Ordinal);

    public override string ToString() => Text;
}
