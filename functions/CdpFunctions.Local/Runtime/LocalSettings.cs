using System.Text.Json;
using Microsoft.Extensions.Configuration;

namespace CdpFunctions.Local.Runtime;

/// <summary>
/// The settings of a local run: <c>local.settings.json</c> as Core Tools reads it, overridden by the environment.
/// <c>__</c> in a name stands for <c>:</c>.
/// </summary>
public sealed record LocalSettings(IConfiguration Configuration, int Port, string? Path)
{
    public const string FileName = "local.settings.json";
    public const string StorageSetting = "AzureWebJobsStorage";
    public const string DevelopmentStorage = "UseDevelopmentStorage=true";
    public const int DefaultPort = 7071;

    /// <param name="arguments">The command line: <c>--port 7071</c> or <c>--port=7071</c>.</param>
    /// <param name="folders">Where <c>local.settings.json</c> is looked for, in this order; of the first also its parents.</param>
    /// <exception cref="LocalHostException">An argument or the file is malformed.</exception>
    public static LocalSettings Load(IReadOnlyList<string> arguments, params IReadOnlyList<string> folders)
    {
        var path = Find(folders);
        var file = path is null ? (Values: [], Port: null) : Read(path);
        var port = PortArgument(arguments) ?? file.Port ?? DefaultPort;
        var configuration = new ConfigurationBuilder()
            .AddInMemoryCollection([new(StorageSetting, DevelopmentStorage)])
            .AddInMemoryCollection(file.Values)
            .AddEnvironmentVariables()
            .Build();
        return new LocalSettings(configuration, port, path);
    }

    private static string? Find(IReadOnlyList<string> folders)
    {
        for (var folder = new DirectoryInfo(folders[0]); folder is not null; folder = folder.Parent)
        {
            var candidate = System.IO.Path.Combine(folder.FullName, FileName);
            if (File.Exists(candidate)) return candidate;
        }
        return folders.Skip(1).Select(folder => System.IO.Path.Combine(folder, FileName)).FirstOrDefault(File.Exists);
    }

    private static (List<KeyValuePair<string, string?>> Values, int? Port) Read(string path)
    {
        var root = SettingsJson.Read(path);
        var reader = new SettingsJson(path);
        if (reader.Flag(root, "IsEncrypted") is true)
            throw new LocalHostException($"{path} is encrypted, which the local host cannot read: decrypt it with \"func settings decrypt\".");

        List<KeyValuePair<string, string?>> values = [];
        if (reader.Object(root, "Values") is { } settings)
        {
            foreach (var setting in settings.EnumerateObject())
            {
                var text = setting.Value.ValueKind switch
                {
                    JsonValueKind.String => setting.Value.GetString(),
                    JsonValueKind.Number or JsonValueKind.True or JsonValueKind.False => setting.Value.GetRawText(),
                    _ => throw reader.Wrong("Values." + setting.Name, "must be a string, since settings become environment variables"),
                };
                values.Add(new(setting.Name.Replace("__", ":", StringComparison.Ordinal), text));
            }
        }
        return (values, reader.Integer(reader.Object(root, "Host"), "LocalHttpPort", "Host.", 1, 65535));
    }

    private static int? PortArgument(IReadOnlyList<string> arguments)
    {
        string? text = null;
        for (var i = 0; i < arguments.Count; i++)
        {
            if (arguments[i] is "--port" or "-p") text = ++i < arguments.Count ? arguments[i] : "";
            else if (arguments[i].StartsWith("--port=", StringComparison.Ordinal)) text = arguments[i]["--port=".Length..];
            else throw new LocalHostException($"The argument '{arguments[i]}' is unknown: only --port <number> is taken.");
        }
        if (text is null) return null;
        return int.TryParse(text, out var port) && port is > 0 and <= 65535
            ? port
            : throw new LocalHostException($"--port needs a number from 1 to 65535, not '{text}'.");
    }
}
