namespace Cdp.Identity;

public enum LimitPeriod
{
    Ever,
    Day,
    Week,
    Month,
    Year,
}

/// <summary>How many values of a type one profile holds.</summary>
/// <param name="Period">Within which they were first seen; periods are rolling, not of the calendar.</param>
public readonly record struct IdentifierLimit(int Count, LimitPeriod Period = LimitPeriod.Ever)
{
    /// <summary>The length of the period: 1, 7, 30 or 365 days; null for ever.</summary>
    public TimeSpan? Window => Period switch
    {
        LimitPeriod.Day => TimeSpan.FromDays(1),
        LimitPeriod.Week => TimeSpan.FromDays(7),
        LimitPeriod.Month => TimeSpan.FromDays(30),
        LimitPeriod.Year => TimeSpan.FromDays(365),
        _ => null,
    };
}
