using Microsoft.Azure.Functions.Worker.Extensions.Abstractions;

namespace Microsoft.Azure.Functions.Worker;

/// <summary>Marks the parameter of a function that runs on a schedule: NCRONTAB of six (or five) fields in UTC, a time span, or <c>%Setting%</c>.</summary>
public sealed class TimerTriggerAttribute(string schedule) : TriggerBindingAttribute
{
    public string Schedule { get; } = schedule;

    /// <summary>Whether occurrences are recorded; the host turns it off for schedules of less than a minute.</summary>
    public bool UseMonitor { get; set; } = true;

    /// <summary>Runs once when the host starts, then by schedule.</summary>
    public bool RunOnStartup { get; set; }
}
