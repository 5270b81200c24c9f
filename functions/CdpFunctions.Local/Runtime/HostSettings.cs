using System.Text.Json;

namespace CdpFunctions.Local.Runtime;

/// <summary>How often a queue is polled and what becomes of messages that fail; host.json's <c>extensions.queues</c>, with the Functions host's defaults.</summary>
public sealed record QueueSettings
{
    /// <summary>Messages fetched at once, 1 to 32.</summary>
    public int BatchSize { get; init; } = 16;

    /// <summary>More messages are fetched once no more than this number is being processed; half of <see cref="BatchSize"/> when absent.</summary>
    public int? NewBatchThreshold { get; init; }

    /// <summary>Tries before a message goes to the poison queue.</summary>
    public int MaxDequeueCount { get; init; } = 5;

    /// <summary>The longest pause between two looks at an empty queue; at least 100 ms.</summary>
    public TimeSpan MaxPollingInterval { get; init; } = TimeSpan.FromMinutes(1);

    /// <summary>How long a message is invisible after a try that threw.</summary>
    public TimeSpan VisibilityTimeout { get; init; }

    /// <summary>Whether bodies are base64 on the wire.</summary>
    public bool Base64Messages { get; init; } = true;
}

/// <summary>What the runtime takes from host.json.</summary>
public sealed record HostSettings
{
    public const string FileName = "host.json";

    /// <summary>Put before every route, without slashes at its ends.</summary>
    public string RoutePrefix { get; init; } = "api";

    public QueueSettings Queues { get; init; } = new();

    /// <summary>Reads host.json from <paramref name="folder"/>.</summary>
    /// <exception cref="LocalHostException">It is missing or holds what the Functions host refuses.</exception>
    public static HostSettings Load(string folder)
    {
        var path = Path.Combine(folder, FileName);
        if (!File.Exists(path))
            throw new LocalHostException($"There is no host.json in {folder}: build the project again, it copies the file there.");
        return Parse(SettingsJson.Read(path), path);
    }

    internal static HostSettings Parse(JsonElement root, string path)
    {
        var reader = new SettingsJson(path);
        var extensions = reader.Object(root, "extensions");
        var http = reader.Object(extensions, "http", "extensions.");
        var queues = reader.Object(extensions, "queues", "extensions.");
        const string prefix = "extensions.queues.";
        var defaults = new QueueSettings();
        return new HostSettings
        {
            RoutePrefix = (reader.Text(http, "routePrefix", "extensions.http.") ?? "api").Trim('/'),
            Queues = new QueueSettings
            {
                BatchSize = reader.Integer(queues, "batchSize", prefix, 1, 32) ?? defaults.BatchSize,
                NewBatchThreshold = reader.Integer(queues, "newBatchThreshold", prefix, 0, int.MaxValue),
                MaxDequeueCount = reader.Integer(queues, "maxDequeueCount", prefix, 1, int.MaxValue) ?? defaults.MaxDequeueCount,
                MaxPollingInterval = reader.Duration(queues, "maxPollingInterval", prefix, TimeSpan.FromMilliseconds(100)) ?? defaults.MaxPollingInterval,
                VisibilityTimeout = reader.Duration(queues, "visibilityTimeout", prefix, TimeSpan.Zero) ?? defaults.VisibilityTimeout,
                Base64Messages = reader.OneOf(queues, "messageEncoding", prefix, "base64", "none") is not "none",
            },
        };
    }
}
