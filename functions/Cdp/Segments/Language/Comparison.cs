using System.Collections.Immutable;
using Cdp.Events;
using Cdp.Segments.Matching;

namespace Cdp.Segments.Language;

public enum Operator
{
    Eq,
    Ne,
    Gt,
    Gte,
    Lt,
    Lte,
    In,
    Contains,
    StartsWith,
    EndsWith,
    Exists,
    Before,
    After,
    Within,
}

public static class Operators
{
    /// <summary>As written in definitions, by <see cref="Operator"/>.</summary>
    public static readonly ImmutableArray<string> Names =
        ["eq", "ne", "gt", "gte", "lt", "lte", "in", "contains", "startsWith", "endsWith", "exists", "before", "after", "within"];

    /// <summary>Those that counts and aggregates are compared with.</summary>
    public const int Numeric = 6;

    public static string Name(this Operator op) => Names[(int)op];
}

/// <summary>One test of a value: an operator and what it compares with.</summary>
/// <param name="Operands">One value; several with <see cref="Operator.In"/>; the flag of <see cref="Operator.Exists"/>; the text of a time or duration.</param>
/// <param name="Time">The time of <see cref="Operator.Before"/> and <see cref="Operator.After"/>.</param>
/// <param name="Span">The duration of <see cref="Operator.Within"/>.</param>
public sealed record Comparison(Operator Operator, ImmutableArray<JsonScalar> Operands, Instant Time = default, Duration Span = default)
{
    public JsonScalar Operand => Operands[0];

    /// <summary>
    /// True of an absent value: <c>ne</c> and <c>exists: false</c>. Where nothing else is asked of a path through a list, these speak of all elements,
    /// because <c>ne</c> is <c>not eq</c>, and <c>eq</c> speaks of any.
    /// </summary>
    public bool IsNegative => Operator == Operator.Ne || (Operator == Operator.Exists && Operand.Kind == ScalarKind.False);

    public override string ToString() => Operator switch
    {
        Operator.Eq => "= " + Operand,
        Operator.Ne => "!= " + Operand,
        Operator.Gt => "> " + Operand,
        Operator.Gte => ">= " + Operand,
        Operator.Lt => "< " + Operand,
        Operator.Lte => "<= " + Operand,
        Operator.In => "in [" + string.Join(", ", Operands) + "]",
        Operator.Exists => Operand.Kind == ScalarKind.True ? "exists" : "does not exist",
        Operator.Within => "within " + Span,
        _ => Operator.Name() + " " + Operand,
    };

    public bool Equals(Comparison? other) => other is not null && Operator == other.Operator && Operands.AsSpan().SequenceEqual(other.Operands.AsSpan());

    public override int GetHashCode() => HashCode.Combine(Operator, Operands[0]);
}
