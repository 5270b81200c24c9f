using System.Collections.Immutable;
using System.Text;
using Cdp.Events;
using Cdp.Segments.Language;

namespace Cdp.Segments.Matching;

/// <summary>The tests of one subject: all must hold of one of its values; where they are all negative, of every value.</summary>
internal sealed class ValueTest
{
    private readonly Comparison[] tests;
    private readonly HashSet<JsonScalar>? choices;

    public ValueTest(ImmutableArray<Comparison> comparisons)
    {
        tests = [.. comparisons];
        IsNegative = comparisons.All(c => c.IsNegative);
        // One pass for a long list; two `in` of one subject are rare enough to be compared one by one.
        if (comparisons.FirstOrDefault(c => c.Operator == Operator.In) is { Operands.Length: > 8 } listed)
            choices = [.. listed.Operands];
    }

    public bool IsNegative { get; }

    public ReadOnlySpan<Comparison> Comparisons => tests;

    /// <summary>There is a <c>within</c>, so that the answer changes with time.</summary>
    public bool DependsOnTime => Array.Exists(tests, t => t.Operator == Operator.Within);

    public bool Holds(List<FoundValue> values, long now = long.MaxValue)
    {
        foreach (var value in values)
        {
            if (Holds(value.Value, value.InList, now) != IsNegative)
                return !IsNegative;
        }

        return IsNegative;
    }

    /// <summary>Of a single value, which may be absent.</summary>
    public bool Holds(JsonScalar value) => Holds(value, inList: false, long.MaxValue);

    /// <summary>The next instant after now at which <c>within</c> may turn out otherwise for one of the values.</summary>
    public long NextChange(List<FoundValue> values, long now)
    {
        var next = long.MaxValue;
        foreach (var test in tests)
        {
            if (test.Operator != Operator.Within)
                continue;
            foreach (var value in values)
            {
                if (!TryTime(value.Value, out var at))
                    continue;
                if (at > now)
                    next = Math.Min(next, at);
                else if (at > now - test.Span.Milliseconds)
                    next = Math.Min(next, at + test.Span.Milliseconds);
            }
        }

        return next;
    }

    /// <summary>What can be said where only a lower bound of a whole number is known. Null: nothing.</summary>
    public bool? HoldsFrom(long least)
    {
        var known = true;
        foreach (var test in tests)
        {
            var operand = test.Operand.Number;
            bool? answer = test.Operator switch
            {
                Operator.Gte when least >= operand => true,
                Operator.Gt when least > operand => true,
                Operator.Ne when least > operand => true,
                Operator.Eq when least > operand => false,
                Operator.Lte when least > operand => false,
                Operator.Lt when least >= operand => false,
                _ => null,
            };
            if (answer == false)
                return false;
            known &= answer is not null;
        }

        return known ? true : null;
    }

    private bool Holds(JsonScalar value, bool inList, long now)
    {
        foreach (var test in tests)
        {
            if (!Holds(test, value, inList, now))
                return false;
        }

        return true;
    }

    private bool Holds(Comparison test, JsonScalar value, bool inList, long now)
    {
        switch (test.Operator)
        {
            case Operator.Eq:
                return value == test.Operand && value.Kind != ScalarKind.Composite;
            case Operator.Ne:
                return value != test.Operand;
            case Operator.Exists:
                return value.IsAbsent == (test.Operand.Kind == ScalarKind.False);
            case Operator.In:
                return choices is not null ? choices.Contains(value) : test.Operands.Contains(value);
            case Operator.Gt:
                return value.Kind == test.Operand.Kind && value > test.Operand;
            case Operator.Gte:
                return value.Kind == test.Operand.Kind && value >= test.Operand;
            case Operator.Lt:
                return value.Kind == test.Operand.Kind && value < test.Operand;
            case Operator.Lte:
                return value.Kind == test.Operand.Kind && value <= test.Operand;
            case Operator.Contains when inList:
                return value == test.Operand;
            case Operator.Contains:
                return value.Text is not null && test.Operand.Text is { } part && value.Text.Contains(part, StringComparison.Ordinal);
            case Operator.StartsWith:
                return value.Text is not null && value.Text.StartsWith(test.Operand.Text!, StringComparison.Ordinal);
            case Operator.EndsWith:
                return value.Text is not null && value.Text.EndsWith(test.Operand.Text!, StringComparison.Ordinal);
            case Operator.Before:
                return TryTime(value, out var early) && early < test.Time.Milliseconds;
            case Operator.After:
                return TryTime(value, out var late) && late > test.Time.Milliseconds;
            default:
                return TryTime(value, out var at) && at <= now && at > now - test.Span.Milliseconds;
        }
    }

    private static bool TryTime(JsonScalar value, out long milliseconds)
    {
        milliseconds = 0;
        if (value.Text is not { Length: >= 10 and <= 40 } text)
            return false;
        Span<byte> utf8 = stackalloc byte[128];
        var found = IsoTime.TryParse(utf8[..Encoding.UTF8.GetBytes(text, utf8)], out var at);
        milliseconds = at.Milliseconds;
        return found;
    }
}
