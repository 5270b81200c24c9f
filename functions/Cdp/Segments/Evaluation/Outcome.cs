namespace Cdp.Segments.Evaluation;

/// <summary>The answer of a condition at an instant.</summary>
/// <param name="Result">Null where the state does not tell, and the timeline has to be read.</param>
/// <param name="Next">The next instant at which the result can be another one without any event; may be early, never late. <see cref="long.MaxValue"/>: none.</param>
internal readonly record struct Outcome(bool? Result, long Next)
{
    public const long Never = long.MaxValue;

    public static Outcome Fixed(bool result) => new(result, Never);
}
